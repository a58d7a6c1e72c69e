"""What the icon shows for a status: shape, tooltip, failures. Pure."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from imgscore.cli.output import printable
from imgscore.verbs.base import Row

Shape = Literal["idle", "working", "paused", "attention", "offline"]

MAX_FAILURES = 5
LONGEST_LINE = 72
# A pause without an end is kept as one until 2100.
FOREVER_NS = 4_000_000_000 * 10**9


@dataclass(frozen=True)
class TrayState:
    """All that the icon and its menu show; equal faces need no update."""

    shape: Shape
    line: str
    share: int = 0
    """percent done, in steps of five"""
    paused: bool = False
    """by the user, who can end it"""
    inboxes: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """the last failed files, newest first: path, and a line about it"""
    said: str = ""
    """what came of the last thing asked for in the menu"""

    @property
    def tooltip(self) -> str:
        """One line: what a pointer on the icon shows."""
        return f"imgscore: {self.line}"


def tray_state(status: Row | None, most_pending: int, said: str = "") -> TrayState:
    """The face of a status (None: no daemon answers).

    `most_pending`: how much was pending at most since there was nothing to do.
    """
    if status is None:
        return TrayState("offline", "not running", said=said)
    inboxes = tuple(watch["inbox"] for watch in status["watches"])
    failed = status["failed"]
    failures = tuple((one["path"], _failure(one)) for one in failed[:MAX_FAILURES])
    offline = [watch["inbox"] for watch in status["watches"] if watch["state"] == "offline"]
    problems = [*status["troubles"], *(f"{inbox} is not there" for inbox in offline)]
    pending = status["pending"]
    share = 0
    shape: Shape = "idle"
    line = next((one["state"] for one in status["watches"] if one["state"] != "ok"), "all in order")
    paused = status["state"] == "paused"
    if paused:
        shape, line = "paused", _until(status["paused_until_ns"])
    elif problems:
        shape, line = "attention", problems[0]
    elif pending and status.get("waiting"):
        shape, line = "paused", f"waiting, {status['waiting']}: {pending} pending"
    elif pending:
        done, total = max(0, most_pending - pending), max(most_pending, pending)
        share = 100 * done // total // 5 * 5
        shape, line = "working", f"working, {done} of {total}"
    elif failed:
        shape, line = "attention", f"{len(failed)} file{'s' * (len(failed) > 1)} failed"
    return TrayState(shape, shortened(line), share, paused, inboxes, failures, said)


def shortened(text: str) -> str:
    """Printable, and at most as long as a menu can bear."""
    text = printable(text)
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"


def _failure(one: Row) -> str:
    return shortened(f"{os.path.basename(one['path'])}: {one['reason']}")


def _until(until_ns: int | None) -> str:
    if until_ns is None or until_ns > FOREVER_NS:
        return "paused"
    until = datetime.fromtimestamp(until_ns // 10**9)
    today = until.date() == datetime.now().date()
    return f"paused until {until:%H:%M}" if today else f"paused until {until:%Y-%m-%d %H:%M}"
