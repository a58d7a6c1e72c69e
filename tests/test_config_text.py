"""Changes to config.toml keep what the user wrote."""

from pathlib import Path

import pytest

from imgscore import config
from imgscore.config_text import with_text_setting, with_watch_switch, write
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
    ],
)
def test_only_the_setting_changes(before: str, after: str) -> None:
    assert with_text_setting(before, "model", "m") == after
    assert config.parse(after).model == "m"


def test_a_path_with_odd_letters() -> None:
    text = with_text_setting(WATCH, "model", '/tmp/a "b" \\ é\n')
    assert config.parse(text).model == '/tmp/a "b" \\ é\n'


def test_what_cannot_be_set_is_said() -> None:
    with pytest.raises(ConfigError):
        with_text_setting('model = """old"""\n', "model", "m")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'xdg_trash = true\ninbox = "/a"\n'),
        ("xdg_trash = false # no\n", 'xdg_trash = true # no\ninbox = "/a"\n'),
    ],
)
def test_a_switch_of_one_watch(before: str, after: str) -> None:
    first, last = '[[watch]]\ninbox = "/x"\n\n', "[daemon]\nsettle = 1\n"
    head = "[[ watch ]] # mine\n"
    text = first + head + before + 'inbox = "/a"\n' + last
    assert with_watch_switch(text, 1, "xdg_trash", on=True) == first + head + after + last
    off = with_watch_switch(first + head + after + last, 1, "xdg_trash", on=False)
    assert [watch.xdg_trash for watch in config.parse(off).watch] == [False, False]


def test_a_switch_that_cannot_be_set_is_said() -> None:
    with pytest.raises(ConfigError, match="xdg_trash"):
        with_watch_switch('watch = [{inbox = "/x"}]\n', 0, "xdg_trash", on=True)


def test_a_config_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "file" / "config.toml", WATCH)
