"""config.toml: parsing, its errors, and the folders of the watches."""

import json
import os
from pathlib import Path

import pytest

from imgscore import config, paths, watch_folders
from imgscore.errors import ConfigError
from imgscore.watches import Watches, outermost
from tests.support import needs


def test_the_smallest_config(tmp_path: Path) -> None:
    settings = config.parse(f'[[watch]]\ninbox = "{tmp_path}/in"')
    (watch,) = Watches.of(settings).all
    assert watch.inbox == os.fsencode(tmp_path / "in")
    assert watch.keep == (os.fsencode(tmp_path / "in" / "keep"),)
    assert (watch.taste, watch.order) == ("default", "best-newest")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("watch = 3", ["watch", "3"]),
        ("[[watch]]\nkeep = 'x'", ["watch[0].inbox", "missing"]),
        ("[[watch]]\ninbox = 7", ["watch[0].inbox", "7"]),
        ("[[watch]]\ninbox = '/x'\norder = 'up'", ["watch[0].order", "'up'", "best-newest"]),
        ("[[watch]]\ninbox = '/x'\ninbocks = 'up'", ["watch[0].inbocks", "no such setting"]),
        ("[[watch]]\ninbox = '/x'\nkepp = 'up'", ["watch[0].kepp", "did you mean keep?"]),
        ("[deamon]\nsettle = 1", ["deamon", "did you mean daemon?"]),
        ("[daemon]\nsetle = 1", ["daemon.setle", "did you mean settle?"]),
        ("modle = 'x'", ["modle", "did you mean model?"]),
        ("[watch]\ninbox = '/x'", ["watch", "[[watch]]"]),
        ("[[watch]]\ninbox = 'Pictures'", ["watch[0].inbox", "'Pictures'", "~/Pictures"]),
        ("head = 'svm'", ["head", "'svm'", '"mlp"']),
        ("[daemon]\nrescan = '1h'", ["daemon.rescan", "'1h'", "a number, without quotes"]),
        ("[[watch]]\ninbox = ''", ["watch[0].inbox", "''"]),
        ("[[watch]]\ninbox = '/x'\ntaste = '../x'", ["watch[0].taste", "'../x'"]),
        ("[daemon]\nsettle = -1", ["daemon.settle", "-1", "from 0.05 to 60"]),
        ("[daemon]\nrescan = 1e30", ["daemon.rescan", "1e+30", "from 10 to 31536000"]),
        (
            "[daemon]\nworkers = 'many'",
            ["daemon.workers", "'many'", "a whole number", "from 0 to 256"],
        ),
        ("[daemon]\nfree_mb = -1", ["daemon.free_mb", "-1", "from 0 to"]),
        ("daemon = 3", ["daemon = 3", "[daemon]"]),
        ("watch = ['/x']", ["watch = ['/x']", "[[watch]]"]),
        ("[[watch]]\ninbox = '/x'\n[[watch]]\nkeep = 'x'", ["watch[1].inbox", "missing"]),
        ("[[watch]]\ninbox = '/x'\nkeep = ['a', 3]", ["watch[0].keep", "3", "list of folders"]),
        ("model = 3", ["model = 3", "text in quotes"]),
        ("dry_run = 1", ["dry_run", "1", "true or false"]),
        ("[[watch]", ["not valid TOML"]),
    ],
)
def test_errors_name_key_value_and_remedy(text: str, named: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "/c/config.toml")
    message = f"{caught.value.message} {caught.value.remedy}"
    assert "/c/config.toml" in message and caught.value.remedy
    assert all(name in message for name in named), message


@pytest.mark.parametrize("inbox", ["/", "~", "~/.."])
def test_a_home_is_no_inbox(inbox: str) -> None:
    with pytest.raises(ConfigError, match="include your whole home"):
        Watches.of(config.parse(f"[[watch]]\ninbox = '{inbox}'"))


def test_the_innermost_place_counts() -> None:
    watches = Watches.of(config.parse("[[watch]]\ninbox = '/in'\ntrash = ['bin', '/far']"))
    roles = {
        path: place.role if (place := watches.locate(path)) else None
        for path in (b"/in/a", b"/in/sub/a", b"/in/keep/x/a", b"/in/bin/a", b"/far/a", b"/inn/a")
    }
    assert roles == {
        b"/in/a": "inbox",
        b"/in/sub/a": "inbox",
        b"/in/keep/x/a": "keep",
        b"/in/bin/a": "trash",
        b"/far/a": "trash",
        b"/inn/a": None,
    }
    assert watches.roots() == [b"/far", b"/in"]


def test_two_watches_may_not_share_a_folder() -> None:
    with pytest.raises(ConfigError, match="/in is both"):
        Watches.of(config.parse("[[watch]]\ninbox='/in'\n[[watch]]\ninbox='/x'\nkeep='/in'"))


def test_trash_folder_that_is_also_given_for_minus_one_star_is_one_folder() -> None:
    text = "[[watch]]\ninbox='/in'\ntrash=['bin','out']\ngrades={'-1'=['out','no']}"
    (watch,) = Watches.of(config.parse(text)).all
    assert watch.trash == (b"/in/bin", b"/in/out", b"/in/no")


def test_outermost() -> None:
    assert outermost([b"/a/b", b"/a", b"/ab", b"/a/c/d", b"/"]) == [b"/"]
    assert outermost([b"/a/b", b"/a", b"/ab", b"/a"]) == [b"/a", b"/ab"]


def test_what_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert config.read(file) is None
    file.write_bytes(b"caf\xe9")
    for reading in (config.load, config.read):
        with pytest.raises(ConfigError, match="cannot be read"):
            reading(file)


def test_parse_value_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        config.parse("a=" + "[" * 100_000)


@pytest.mark.parametrize("key", ["inbox", "keep", "trash"])
def test_watches_of_file_in_place_of_a_folder_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_text("")
    folders = {"inbox": f"{tmp_path}/in", key: f"{tmp_path}/file"}
    lines = "".join(f'{name} = "{folder}"\n' for name, folder in folders.items())
    with pytest.raises(ConfigError, match=f"{key} = '{tmp_path}/file' is a file, not a folder"):
        Watches.of(config.parse(f"[[watch]]\n{lines}"))


@pytest.mark.parametrize("key", ["inbox", "keep", "trash"])
@pytest.mark.parametrize(
    "folder",
    ["/", "~", "~/..", "/etc", "/etc/x", "/proc", "/proc/self", "/sys", "/dev", "/dev/pts",
     "/usr/share", "/tmp", "/var", "{data}", "{data}/store", "{cache}/report",
     "{config}", "{runtime}", "{above}"],
)  # fmt: skip
def test_watches_of_folder_that_is_not_for_images_is_refused(
    tmp_path: Path, key: str, folder: str
) -> None:
    own = {
        "data": paths.data_folder(),
        "cache": paths.cache_folder(),
        "config": paths.config_file().parent,
        "runtime": paths.runtime_folder(),
        "above": paths.data_folder().parent,
    }
    given = folder.format(**own)
    others = "" if key == "inbox" else f'inbox = "{tmp_path}/in"\n'
    settings = config.parse(f"[[watch]]\n{others}{key} = {json.dumps(given)}")
    with pytest.raises(ConfigError) as caught:
        Watches.of(settings)
    assert f"{key} = {given!r}" in caught.value.message and caught.value.remedy


@pytest.mark.parametrize("folder", ["/dev/shm/inbox", "/mnt", "/srv/photos", "/run/media/me/card"])
def test_watches_of_folder_outside_the_home_is_allowed(folder: str) -> None:
    assert Watches.of(config.parse(f'[[watch]]\ninbox = "{folder}"')).all


def test_watches_of_folder_through_a_link_is_checked(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match="folder of the system"):
        Watches.of(config.parse(f'[[watch]]\ninbox = "{tmp_path}/link"'))
    (tmp_path / "in").mkdir()
    (tmp_path / "twin").symlink_to("in")
    text = "".join(f'[[watch]]\ninbox = "{tmp_path / name}"\n' for name in ("in", "twin"))
    with pytest.raises(ConfigError, match="both the inbox folder"):
        Watches.of(config.parse(text))


def test_same_folder_by_a_second_path_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "twin").symlink_to("in")  # as a bind mount, the path itself cannot be resolved
    one, two = os.fsencode(tmp_path / "in"), os.fsencode(tmp_path / "twin")
    assert watch_folders.same_folder([one, two]) == (one, two)
    assert watch_folders.same_folder([one, one, b"/none/a", b"/none/b"]) is None


def test_watches_of_inbox_in_a_label_folder_of_another_is_refused(tmp_path: Path) -> None:
    def watches(*inboxes: str) -> Watches:
        text = "".join(f'[[watch]]\ninbox = "{tmp_path / name}"\n' for name in inboxes)
        return Watches.of(config.parse(text))

    assert watches("in", "in/memes").all
    for inner in ("in/keep/memes", "in/trash/a/b"):
        with pytest.raises(ConfigError, match=r"is in the (keep|trash) folder of the inbox"):
            watches("in", inner)


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646])
def test_load_config_that_all_users_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "config.toml"
    file.write_text("dry_run = true\n")
    assert config.load(file).dry_run
    file.chmod(mode)
    with pytest.raises(ConfigError, match="all users can write") as caught:
        config.load(file)
    assert f"chmod go-w '{file}'" in caught.value.remedy
    file.chmod(0o664)
    assert config.load(file).dry_run
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="all users can replace"):
        config.load(file)


def test_load_config_of_another_user_is_refused(tmp_path: Path) -> None:
    needs.root("to give a file to another user")
    file = tmp_path / "config.toml"
    file.write_text("dry_run = true\n")
    os.chown(file, 1234, 1234)
    with pytest.raises(ConfigError, match=r"another user \(1234\)"):
        config.load(file)


@pytest.mark.parametrize("value", ['"best on top"', "true", "1", '["off"]'])
def test_parse_wrong_groups_names_the_right_values(value: str) -> None:
    with pytest.raises(ConfigError, match=r"groups = .* is not allowed") as raised:
        config.parse(f'[[watch]]\ninbox = "/in"\ngroups = {value}\n')
    assert raised.value.remedy == 'write "best-on-top", "off" or "together"'


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[[links]]\nfolder = "best"\n', "links[0].folder = 'best': not an absolute path"),
        ("[[links]]\ntop = 5\n", "links[0].folder is missing"),
        ('[[links]]\nfolder = "/b"\ntop = 0\n', "links[0].top = 0 is not allowed"),
        ('[[links]]\nfolder = "/b"\nkind = "hard"\n', "links[0].kind = 'hard' is not allowed"),
        ('[[links]]\nfolder = "/b"\nmin = 1\n', "links[0].min: there is no such setting"),
        ('[links]\nfolder = "/b"\n', "links = {'folder': '/b'} is not allowed"),
    ],
)
def test_parse_with_a_wrong_folder_of_links_names_the_setting(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.parse(text)
    assert part in raised.value.message
    assert raised.value.remedy
