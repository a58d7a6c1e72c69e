"""config.toml: parsing, its errors, and the folders of the watches."""

import os
from pathlib import Path

import pytest

from imgscore import config
from imgscore.errors import ConfigError
from imgscore.watches import Watches, outermost


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
    with pytest.raises(ConfigError, match="folders where programs keep their images"):
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
