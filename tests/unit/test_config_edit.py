"""Changes to config.toml keep the rest of the user's text."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore import config
from imgscore.config_edit import (
    with_links,
    with_setting,
    with_watch,
    with_watch_setting,
    without_links,
    without_watch,
    write,
)
from imgscore.errors import ConfigError

WATCH = '# my folders\n[[watch]]\ninbox = "~/x"   # here\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'model = "m"\n'),
        (WATCH, 'model = "m"\n' + WATCH),
        ('model = "old" # mine\n' + WATCH, 'model = "m" # mine\n' + WATCH),
        ("# top\n  model='old'\n" + WATCH, '# top\n  model="m"\n' + WATCH),
        ('dry_run = true\nmodel = "a"\n', 'dry_run = true\nmodel = "m"\n'),
        ('model = """\nold"""\n' + WATCH, 'model = "m"\n' + WATCH),
        ('"model"  =\t"a"\t# tab\n' + WATCH, '"model"  =\t"m"\t# tab\n' + WATCH),
        (
            'daemon.settle = 1\ndaemon . "poll" = 20\nmodel = "a"\n',
            'daemon.settle = 1\ndaemon . "poll" = 20\nmodel = "m"\n',
        ),
        ("daemon = { settle = 1 }  # x\n", 'model = "m"\ndaemon = { settle = 1 }  # x\n'),
        (
            'model = "a"\r\n\r\n# x\r\n[[watch]]\r\ninbox = "/y"\r\n',
            'model = "m"\r\n\r\n# x\r\n[[watch]]\r\ninbox = "/y"\r\n',
        ),
        ('[[watch]]\r\ninbox = "/y"', 'model = "m"\r\n[[watch]]\r\ninbox = "/y"'),
        (
            "[daemon]\nsettle = 1\n# model = 'x'\n\n\n",
            "model = \"m\"\n[daemon]\nsettle = 1\n# model = 'x'\n\n\n",
        ),
    ],
)
def test_only_the_setting_changes(before: str, after: str) -> None:
    assert with_setting(before, "model", "m") == after
    assert config.parse(after).model == "m"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_can_be_set(value: str) -> None:
    for text in (WATCH, 'model = "a" # b\n' + WATCH):
        assert config.parse(with_setting(text, "model", value)).model == value
    added = with_watch(WATCH, {"inbox": f"/{value}", "xdg_trash": True})
    assert added.startswith(WATCH + "\n[[watch]]\n")
    assert tomllib.loads(added)["watch"][1] == {"inbox": f"/{value}", "xdg_trash": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'xdg_trash = true\ninbox = "/a"\n'),
        ("xdg_trash = false # no\n", 'xdg_trash = true # no\ninbox = "/a"\n'),
        ("  xdg_trash=false\n\n", '  xdg_trash=true\n\ninbox = "/a"\n'),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_switch_of_one_watch(before: str, after: str, newline: str) -> None:
    first, last = '[[watch]]\ninbox = "/x"\n\n', "# the daemon\n[daemon]\nsettle = 1\n"
    for second_watch in (
        "",
        '[[watch]]\ninbox = "/y"\nkeep = ["a",\n  "b"]\n',
    ):  # after another table
        head = "[[ watch ]] # mine\n"
        text = (first + head + before + 'inbox = "/a"\n' + last + second_watch).replace(
            "\n", newline
        )
        expected = (first + head + after + last + second_watch).replace("\n", newline)
        assert with_watch_setting(text, 1, "xdg_trash", True) == expected
        off = with_watch_setting(expected, 1, "xdg_trash", False)
        assert not any(watch.xdg_trash for watch in config.parse(off).watch)
        assert off.replace("xdg_trash = false", "xdg_trash = true").replace("=false", "=true") == (
            expected
        )


def test_a_switch_in_an_inline_table() -> None:
    text = 'watch = [\n  {inbox = "/x"}, # one\n  {inbox = "/y", siblings = true},\n]\n'
    changed = with_watch_setting(text, 1, "siblings", False)
    assert changed == text.replace("true", "false")
    added = with_watch_setting(text, 0, "xdg_trash", True)
    assert config.parse(added).watch[0].xdg_trash and "# one" in added


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'grades = {4 = ["good"], -1 = ["bad", "worse"]}\n'),
        ("grades = { 3 = 'maybe' } # mine\n", None),
        ("[watch.grades]\n3 = 'maybe' # mine\n# end\n", None),
        ("grades = { 4 = 'old', 3 = 'maybe' } # mine\n", None),
    ],
)
def test_with_watch_setting_grades_changes_only_the_given_stars(
    before: str, after: str | None
) -> None:
    first, last = '[[watch]]\ninbox = "/x"\n', '\n[[watch]]\ninbox = "/y"\n# tail\n'
    changed = with_watch_setting(
        f"{first}{before}{last}", 0, "grades", {"4": ["good"], "-1": ["bad", "worse"]}
    )
    grades = config.parse(changed).watch[0].grades
    assert {**grades, "3": ""} == {"4": ["good"], "-1": ["bad", "worse"], "3": ""}
    assert after is None or after in changed
    assert "# mine" in changed or not before
    assert (grades.get("3") == "maybe") == bool(before)
    assert changed.endswith(last)


def test_with_watch_grades_are_one_line() -> None:
    added = with_watch("", {"inbox": "/b", "grades": {"5": 'a "b"', "3": ["ü"]}})
    assert added == '[[watch]]\ninbox = "/b"\ngrades = {5 = "a \\"b\\"", 3 = ["ü"]}\n'


def test_a_watch_is_added_with_the_files_line_ends() -> None:
    entry: dict[str, str | bool] = {"inbox": "/b", "xdg_trash": True}
    assert with_watch("", entry) == '[[watch]]\ninbox = "/b"\nxdg_trash = true\n'
    before = '[[watch]]\r\ninbox = "/a"\r\n'
    after = before + '\r\n[[watch]]\r\ninbox = "/b"\r\nxdg_trash = true\r\n'
    assert with_watch(before, entry) == after
    assert with_watch(before.rstrip(), entry) == after


def test_what_cannot_be_set_is_said() -> None:
    with pytest.raises(ConfigError, match="head"):
        with_setting(WATCH, "head", "svm")
    with pytest.raises(ConfigError, match="not valid TOML"):
        with_setting("[[watch]\n", "model", "m")
    hidden = '[[watch]]\ninbox = "/x"\ntrash = """\n[[watch]]\n"""\n[[watch]]\ninbox = "/y"\n'
    with pytest.raises(ConfigError, match="xdg_trash could not be set") as caught:
        with_watch_setting(hidden, 1, "xdg_trash", True)
    assert "xdg_trash = true" in caught.value.remedy


def test_a_config_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "file" / "config.toml", WATCH)


def test_a_link_and_the_permissions_of_its_file_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "config.toml", tmp_path / "config.toml"
    write(real, "")
    real.chmod(0o600)
    link.symlink_to(real)
    text = WATCH.replace("\n", "\r\n")
    write(link, text)
    assert os.readlink(link) == str(real) and config.read(link) == text
    assert real.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in real.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_without_watch_other_tables_and_their_comments_stay(newline: str) -> None:
    top = "# top\ndry_run = true\n\n"
    first = '[[watch]]\ninbox = "/a" # x\n# keep = "k"\n'
    second = '\n# about b\n[[ watch ]] # hi\nkeep = ["q",\n "r"]\ninbox = "/b"\n'
    daemon = "\n# daemon\n[daemon]\nsettle = 1\n"
    third = '\n[[watch]]\ninbox = "/c"\n'
    text = (top + first + second + daemon + third).replace("\n", newline)
    for number, expected in enumerate(
        (
            top + second + daemon + third,
            top + first + "\n# about b\n" + daemon + third,
            top + first + second + daemon,
        )
    ):
        assert without_watch(text, number) == expected.replace("\n", newline)


def test_without_watch_undoes_with_watch_and_reads_every_form() -> None:
    for text in ("", "dry_run = true\n", WATCH):
        added = with_watch(text, {"inbox": "/x", "taste": "memes"})
        assert without_watch(added, len(config.parse(added).watch) - 1) == text
    inline = 'watch = [{inbox = "/a"}, {inbox = "/b"}] # x\ndry_run = true\n'
    assert [watch.inbox for watch in config.parse(without_watch(inline, 0)).watch] == ["/b"]
    assert config.parse(without_watch('watch = [{inbox = "/a"}]\n', 0)).watch == []


LINKS = '[[links]]\nfolder = "~/best"  # for the frame\ntop = 100\n'


@pytest.mark.parametrize(
    ("before", "number", "after"),
    [
        (WATCH + "\n" + LINKS, 0, WATCH),
        (LINKS + "\n" + WATCH, 0, "\n" + WATCH),
        (WATCH + LINKS + "[daemon]\nsettle = 1\n", 0, WATCH + "[daemon]\nsettle = 1\n"),
        (LINKS + WATCH + LINKS.replace("best", "other"), 1, LINKS + WATCH),
        (LINKS.replace("\n", "\r\n"), 0, ""),
        ('links = [{ folder = "/a" }, { folder = "/b" }]\n' + WATCH, 0, None),
    ],
)
def test_without_links_takes_out_only_one_folder(before: str, number: int, after: str) -> None:
    changed = without_links(before, number)
    if after is not None:
        assert changed == after
    parsed, old = config.parse(changed), config.parse(before)
    assert parsed.links == [*old.links[:number], *old.links[number + 1 :]]
    assert (parsed.watch, parsed.daemon) == (old.watch, old.daemon)


def test_with_links_adds_a_table_that_without_links_takes_out() -> None:
    added = with_links(WATCH, {"folder": "/best", "top": 9, "min_score": 0.5, "rank_prefix": True})
    assert added.startswith(WATCH)
    (links,) = config.parse(added).links
    assert (links.folder, links.top, links.min_score, links.rank_prefix) == ("/best", 9, 0.5, True)
    assert without_links(added, 0) == WATCH
