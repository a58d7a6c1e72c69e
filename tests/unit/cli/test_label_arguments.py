"""The label `-1` on the command line is no option."""

import pytest

from imgscore.cli.commands.label import with_reject


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["-1", "a.jpg"], ["reject", "a.jpg"]),
        (["--json", "-r", "-1", "a.jpg"], ["--json", "-r", "reject", "a.jpg"]),
        (["--taste", "memes", "-1", "a"], ["--taste", "memes", "reject", "a"]),
        (["--taste=memes", "-1", "a"], ["--taste=memes", "reject", "a"]),
        (["keep", "-1"], ["keep", "-1"]),
        (["keep", "--", "-1"], ["keep", "--", "-1"]),
        (["--", "-1", "a"], ["--", "-1", "a"]),
        (["-1"], ["reject"]),
        (["--taste"], ["--taste"]),
        ([], []),
    ],
)
def test_with_reject_replaces_only_the_label(given: list[str], read: list[str]) -> None:
    assert with_reject(given) == read
