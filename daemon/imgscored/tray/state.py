"""The icon's state for a status: shape, tooltip, failures. Pure."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from imgscore.cli.output import printable
from imgscore.verbs import status as status_verb

Shape = Literal["idle", "working", "paused", "attention", "offline"]

MAX_FAILURES = 5
# Characters in a menu item: longer ones make the menu wider than the screen on small displays.
MAX_LINE = 72
# A pause without an end is stored as a pause until 2096 (ns since 1970).
FOREVER_NS = 4_000_000_000 * 10**9


@dataclass(frozen=True)
class TrayState:
    """Everything that the icon and its menu show. Equal states need no update."""

    shape: Shape
    line: str
    share: int = 0
    """percent done, in steps of five"""
    paused: bool = False
    """paused by the user, who can end it"""
    inboxes: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """the last failed files, newest first: path, and a line about it"""
    result: str = ""
    """result of the last menu action, as a line"""

    @property
    def tooltip(self) -> str:
        """One line, shown while the pointer is on the icon."""
        return f"imgscore: {self.line}"


def tray_state(
    status: status_verb.Response | None, max_pending: int, result: str = ""
) -> TrayState:
    """The state for a status (None: no daemon answers).

    max_pending: the largest number of pending items since the daemon was last idle.
    """
    if status is None:
        return TrayState("offline", "not running", result=result)
    inboxes = tuple(watch.inbox for watch in status.watches)
    failed = status.failed
    failures = tuple((failure.path, _failure(failure)) for failure in failed[:MAX_FAILURES])
    offline = [watch.inbox for watch in status.watches if watch.state == "offline"]
    problems = [*status.troubles, *(f"{inbox} is not there" for inbox in offline)]
    pending = status.pending
    share = 0
    shape: Shape = "idle"
    states = [watch.state for watch in status.watches]
    line = next((state for state in states if state != "ok"), "all in order")
    paused = status.state == "paused"
    if paused:
        shape, line = "paused", _until(status.paused_until_ns)
    elif problems:
        shape, line = "attention", problems[0]
    elif pending and status.waiting:
        shape, line = "paused", f"waiting, {status.waiting}: {pending} pending"
    elif pending:
        done, total = max(0, max_pending - pending), max(max_pending, pending)
        share = 100 * done // total // 5 * 5
        shape, line = "working", f"working, {done} of {total}"
    elif failed:
        shape, line = "attention", f"{len(failed)} file{'s' * (len(failed) > 1)} failed"
    return TrayState(shape, shortened(line), share, paused, inboxes, failures, result)


def shortened(text: str) -> str:
    """The text escaped for display and cut to MAX_LINE characters."""
    text = printable(text)
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"


def _failure(failure: status_verb.Failure) -> str:
    return shortened(f"{os.path.basename(failure.path)}: {failure.reason}")


def _until(until_ns: int | None) -> str:
    if until_ns is None or until_ns > FOREVER_NS:
        return "paused"
    until = datetime.fromtimestamp(until_ns // 10**9)
    today = until.date() == datetime.now().date()
    return f"paused until {until:%H:%M}" if today else f"paused until {until:%Y-%m-%d %H:%M}"
