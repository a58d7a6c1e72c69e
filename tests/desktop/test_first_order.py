"""The lines on a terminal before the first order: after `start`, and below a daemon's log."""

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import BIN, imgscore

TODO = "move at least 2 images that you like into keep/ and 2 others into trash/"


class _Terminal:
    """A terminal of 80 columns with a program, and all that the program has written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.text = ""

    def shows(self, text: str) -> None:
        """Wait until the program has written `text`."""

        def written() -> bool:
            try:
                self.text += os.read(self._descriptor, 1 << 16).decode(errors="replace")
            except OSError:  # the program has ended
                return True
            return text in self.text

        if text not in self.text:
            eventually(written, what=lambda: f"{text!r} in {self.text!r}")
        assert text in self.text


@contextmanager
def _terminal(*command: str | Path) -> Iterator[_Terminal]:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield _Terminal(ours)
        finally:
            process.terminate()
            process.wait(timeout=60)
            os.close(ours)


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
        with _terminal(BIN / "imgscore", "start") as terminal:
            terminal.shows("running (process")
            terminal.shows(f"next: {TODO}")
            _teach(unlabelled)
            terminal.shows("in order now; sort by date, newest first: ")
        again = imgscore("start")  # no terminal, and an order stands: it says only the state
        assert again.out.startswith("running (process") and again.out.count("\n") == 1
    finally:
        imgscore("stop")


def test_daemon_on_a_terminal_shows_the_next_step_below_its_log(unlabelled: Path) -> None:
    with _terminal(BIN / "imgscored") as terminal:
        terminal.shows(f"next: {TODO}")
        _teach(unlabelled)
        terminal.shows("in order now; sort by date, newest first: ")
