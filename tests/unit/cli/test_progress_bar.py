"""The progress of work on a terminal: a command in a pseudo-terminal of 80 columns."""

import os
import pty
import subprocess
import sys

import pytest

from imgscore.cli import progress_bar
from imgscore.cli.progress_bar import ProgressBar, duration
from imgscore.messages import Progress
from imgscore.testing import eventually

SILENT = """
import time
from imgscore.cli.output import later, print_messages

def work():
    {wait}
    return "the row"

print_messages(later(work), str, as_json=False)
"""
MEASURED = """
from imgscore.cli.output import print_messages
from imgscore.messages import Progress, Result

def work():
    yield Progress("gathering", 0, 1)
    yield Progress("scoring", 1, 3)
    input()
    yield Progress("scoring", 3, 3)
    yield Result("the row")

print_messages(work(), str, as_json=False)
"""


def _shown(program: str, awaited: str) -> str:
    """Run a program in a terminal, press Enter when `awaited` is shown; return all it shows."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    text = ""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)

        def ended() -> bool:
            nonlocal text
            try:
                part = os.read(ours, 1 << 16).decode(errors="replace")
            except OSError:  # the program has ended
                return True
            before, text = text, text + part
            if awaited in text and awaited not in before:
                os.write(ours, b"\n")
            return False

        eventually(ended, what=lambda: f"{awaited!r} in {text!r}")
        assert process.wait(timeout=60) == 0, text
    os.close(ours)
    return text


def test_bar_silent_work_shows_a_moving_bar_until_the_result() -> None:
    text = _shown(SILENT.format(wait="input()"), "working")
    assert "working" in text and " s" in text and "the row" in text
    assert text.index("working") < text.index("the row")


def test_bar_quick_work_shows_only_the_result() -> None:
    assert _shown(SILENT.format(wait="pass"), "nothing").strip() == "the row"


def test_bar_measured_work_shows_its_share() -> None:
    text = _shown(MEASURED, "1/3")
    assert "scoring" in text and "3/3" in text and "the row" in text
    assert "0/1" not in text  # one step is no measure


def test_lines_work_that_grows_say_how_much_more_arrived(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_bar, "PLAIN_SECONDS", 0)
    with ProgressBar() as bar:
        for progress in (
            Progress("waiting", 0, 40),
            Progress("waiting", 12, 52),
            Progress("learning", 0, 90),
            Progress("learning", 7, 0),
        ):
            bar.show(progress)
    first, grown, other, unknown = capfd.readouterr().err.splitlines()
    assert first == "waiting: 0 of 40 done"
    assert grown.startswith("waiting: 12 of 52 done, about ") and grown.endswith("12 more arrived")
    assert other == "learning: 0 of 90 done" and unknown == "learning: 7"


@pytest.mark.parametrize(("seconds", "text"), [(3.4, "3 s"), (60, "1 min"), (7260, "2 h 1 min")])
def test_duration_is_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
