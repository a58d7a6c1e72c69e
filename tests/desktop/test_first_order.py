"""The lines on a terminal before the first order: after `start`, and below a daemon's log."""

import re
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
            screen.shows("it comes from 4 labels")
            assert screen.process.wait(timeout=60) == 0
        again = imgscore("start")  # no terminal, and an order stands: it says only the state
        assert again.out.startswith("running (process") and again.out.count("\n") == 1
        assert again.err == ""
    finally:
        imgscore("stop")


def test_start_view_ended_with_ctrl_c_leaves_the_daemon_running(unlabelled: Path) -> None:
    try:
        with terminal(BIN / "imgscore", "start", controlling=True) as screen:
            screen.shows(f"next: {TODO}")
            screen.press(b"\x03")
            screen.shows("the daemon continues to run in the background")
            assert screen.process.wait(timeout=60) == 0
        assert imgscore("status", "--json").row["state"] == "running"
    finally:
        imgscore("stop")


@pytest.mark.parametrize("kind", ["dumb", "xterm-256color"])
def test_start_view_without_colour_contains_no_colour_code(
    unlabelled: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    try:
        with terminal(BIN / "imgscore", "start", kind=kind) as screen:
            screen.shows(f"next: {TODO}")
            _teach(unlabelled)
            screen.shows("in order now; sort by date, newest first: ")
            if kind == "dumb":
                assert "\x1b" not in screen.text
            assert re.search(r"\x1b\[[34]?\d(;\d+)*m", screen.text) is None
    finally:
        imgscore("stop")


def test_start_in_a_pipe_prints_the_next_step_and_ends(unlabelled: Path) -> None:
    try:
        started = imgscore("start")
        assert started.out.startswith("running (process") and "next: move at least" in started.err
        assert "\x1b" not in started.out + started.err
        as_json = imgscore("start", "--json")
        assert as_json.row["state"] == "running" and as_json.err == ""
    finally:
        imgscore("stop")


def test_init_start_watches_the_folder_and_starts_the_daemon(tmp_path: Path) -> None:
    inbox = tmp_path / "new"
    inbox.mkdir()
    put(inbox, "sun", 3)
    try:
        told = imgscore("init", inbox)
        # The folder of the command is not in PATH, so its path is printed.
        assert told.code == 0 and re.search(r"^next: \S*imgscore start$", told.err, re.MULTILINE)
        with terminal(BIN / "imgscore", "init", inbox, "--start") as screen:
            screen.shows("running (process")
            screen.shows(f"next: {TODO}")
        beside = imgscore("init", tmp_path / "other")
        assert beside.code == 0 and "next: " in beside.err
        assert imgscore("init", inbox, "--start", "--json").row["inbox"] == str(inbox)
    finally:
        imgscore("stop")


def test_daemon_on_a_terminal_shows_the_next_step_below_its_log(unlabelled: Path) -> None:
    with terminal(BIN / "imgscored") as screen:
        screen.shows(f"next: {TODO}")
        _teach(unlabelled)
        screen.shows("in order now; sort by date, newest first: ")
