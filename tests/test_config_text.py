"""Changes to config.toml keep what the user wrote."""

import pytest

from imgscore import config
from imgscore.config_text import with_text_setting
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
