"""The state of the icon, computed from a daemon's status: the shape, the tooltip and the failures.

This module has no side effects.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from imgscore import events
from imgscore.cli.output import printable
from imgscore.engine.log_text import counted
from imgscore.verbs import status as status_verb

Shape = Literal["idle", "working", "paused", "attention", "offline"]

MAX_FAILURES = 5
# The largest number of characters in a menu item. On a small display, a longer item would make the
# menu wider than the screen.
MAX_LINE = 72
# If a pause ends after this time, it is shown as a pause without an end. The time is in the year
# 2096, in nanoseconds since 1970. The daemon stores a pause without an end as a pause until 2100.
FOREVER_NS = 4_000_000_000 * 10**9


@dataclass(frozen=True)
class TrayState:
    """Everything that the icon and its menu show.

    If a new state equals the state before, the icon needs no update.
    """

    shape: Shape
    line: str
    share: int = 0
    """the percentage of the work that is done, in steps of five"""
    paused: bool = False
    """whether the user has paused the daemon and can therefore end the pause"""
    inboxes: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """the last failed files, newest first. Each item has a path and a line about the failure."""
    result: str = ""
    """the result of the last menu action, as one line"""
    order: str = ""
    """the last new order, as one line; "" if the daemon has made none since its start"""

    @property
    def tooltip(self) -> str:
        """The icon's tooltip: one line that is shown while the pointer is on the icon."""
        return f"imgscore: {self.line}"


def tray_state(
    status: status_verb.Response | None, max_pending: int, result: str = ""
) -> TrayState:
    """Return the state for a status. A status of None means that no daemon answers.

    `max_pending`: the largest number of pending items since the daemon was last idle.
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
    line = next((state for state in states if state != "ok"), _all_in_order(status))
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
    order = shortened(_order_line(status))
    return TrayState(shape, shortened(line), share, paused, inboxes, failures, result, order)


def shortened(text: str) -> str:
    """Return the text, escaped for display and cut to MAX_LINE characters."""
    text = printable(text)
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"


def _failure(failure: status_verb.Failure) -> str:
    return shortened(f"{os.path.basename(failure.path)}: {failure.reason}")


def _all_in_order(status: status_verb.Response) -> str:
    """Return a line about inboxes that are in order, with their images and groups."""
    images = sum(watch.scored for watch in status.watches)
    if status.dry_run or not images:
        return "all in order" if not status.dry_run else "dry run: no date is changed"
    groups = f", {counted(status.groups, 'group')} of similar images" if status.groups else ""
    order = _last_order(status)
    # A date would make the line too long.
    moment = _moment(order.time_ns) if order is not None else ""
    since = f" since {moment}" if moment and " " not in moment else ""
    return f"all in order{since}: {counted(images, 'image')}{groups}"


def _last_order(status: status_verb.Response) -> events.Ordered | None:
    orders = [event for event in status.events if isinstance(event, events.Ordered)]
    return orders[-1] if orders else None


def _order_line(status: status_verb.Response) -> str:
    """Return a line about the last order, such as "new order at 14:05: 31 images have a new place".

    The line is empty if there is none.
    """
    last = _last_order(status)
    if last is None:
        return ""
    # The events of one order have the same time: a long order is reported in several parts.
    moved = sum(
        event.files
        for event in status.events
        if isinstance(event, events.Ordered) and event.time_ns == last.time_ns
    )
    have = "has" if moved == 1 else "have"
    return f"new order at {_moment(last.time_ns)}: {counted(moved, 'image')} {have} a new place"


def _until(until_ns: int | None) -> str:
    if until_ns is None or until_ns > FOREVER_NS:
        return "paused"
    return f"paused until {_moment(until_ns)}"


def _moment(time_ns: int) -> str:
    """Return the local time as text, with the date if it is not today."""
    moment = datetime.fromtimestamp(time_ns // 10**9)
    is_today = moment.date() == datetime.now().date()
    return f"{moment:%H:%M}" if is_today else f"{moment:%Y-%m-%d %H:%M}"
