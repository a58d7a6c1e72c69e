"""The lines on a terminal before the first order: after `start`, and below a daemon's log."""

from pathlib import Path

import pytest

from tests.conftest import put
from tests.support.commands import BIN, imgscore
from tests.support.terminals import terminal

TODO = "move at least 2 images that you like into keep/ and 2 others into trash/"


def _teach(inbox: Path) -> None:
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in sorted(inbox.glob(f"{kind}*"))[:2]:
            path.rename(inbox / folder / path.name)


@pytest.fixture
def unlabelled(inbox: Path) -> Path:
    put(inbox, "sun", 6)
    put(inbox, "text", 6)
    return inbox


def test_start_on_a_terminal_shows_the_next_step_until_the_first_order(unlabelled: Path) -> None:
    try:
        with terminal(BIN / "imgscore", "start") as screen:
            screen.shows("running (process")
            screen.shows(f"next: {TODO}")
            _teach(unlabelled)
            screen.shows("in order now; sort by date, newest first: ")
        again = imgscore("start")  # no terminal, and an order stands: it says only the state
        assert again.out.startswith("running (process") and again.out.count("\n") == 1
    finally:
        imgscore("stop")


def test_daemon_on_a_terminal_shows_the_next_step_below_its_log(unlabelled: Path) -> None:
    with terminal(BIN / "imgscored") as screen:
        screen.shows(f"next: {TODO}")
        _teach(unlabelled)
        screen.shows("in order now; sort by date, newest first: ")
