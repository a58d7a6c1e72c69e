"""The plan: the fewest touches that put a folder into score order. Pure: no disk, no clock.

Two questions, one after the other: in which order (agreement.py), and on which dates (spacing.py).
"""

from collections.abc import Sequence
from math import isnan
from typing import Literal, NamedTuple

from imgscore.order.entries import NANOSECONDS, Entry
from imgscore.order.spacing import EARLIEST, STEP, space
from imgscore.order.stable_order import OrderItem, wanted_order
from imgscore.order.timeline import Timeline

Direction = Literal["best-newest", "worst-newest"]


class Touch(NamedTuple):
    """One mtime to be changed, in ns since 1970. `after_ns` is a whole even second."""

    path: bytes
    before_ns: int
    after_ns: int


def plan(
    entries: Sequence[Entry], now_ns: int, direction: Direction = "best-newest"
) -> list[Touch]:
    """The touches after which `entries` are in order, newest first; empty if they are already.

    In order means: dates (floor of the second) rise by >= 2 s from entry to entry, all in
    [1980-01-02, now]; and where two intervals score ± deviation do not overlap, the better entry is
    the newer (`best-newest`). Entries whose intervals overlap, and equals, stay as they stand.
    O(n log n). Raises ValueError for a score that is NaN.
    """
    return plan_with_timeline(entries, now_ns, direction)[0]


def plan_with_timeline(
    entries: Sequence[Entry], now_ns: int, direction: Direction
) -> tuple[list[Touch], Timeline]:
    """The same, and how the entries stand after it, for `arrive`."""
    now = now_ns // NANOSECONDS
    sign = 1.0 if direction == "best-newest" else -1.0
    items = [_item(entry, now_ns, sign) for entry in entries]
    if any(isnan(item.score) for item in items):
        raise ValueError("a score is NaN: leave out entries that have none")
    order = wanted_order(items)
    dates = space([items[i].second if items[i].keepable else None for i in order], now)
    touches = [
        Touch(member.path, member.mtime_ns, date * NANOSECONDS)
        for i, date in zip(reversed(order), reversed(dates), strict=True)
        for member in entries[i].members
        if member.mtime_ns // NANOSECONDS != date
    ]
    return touches, Timeline.of(dates, [items[i] for i in order])


def insert_entry(
    timeline: Timeline, entry: Entry, now_ns: int, direction: Direction = "best-newest"
) -> list[Touch] | None:
    """What `plan` would touch for one more entry of one member, if no other has to be.

    `lineup`, which `line_up` gave for the same direction, has it from then on. None: plan all.
    O(log n), and the moving of some bytes.
    """
    (member,) = entry.members
    if isnan(entry.score):
        return None
    sign = 1.0 if direction == "best-newest" else -1.0
    second = timeline.take(_item(entry, now_ns, sign), now_ns // NANOSECONDS)
    if second is None:
        return None
    if second == member.mtime_ns // NANOSECONDS:
        return []
    return [Touch(member.path, member.mtime_ns, second * NANOSECONDS)]


def _item(entry: Entry, now_ns: int, sign: float) -> OrderItem:
    """Where an entry stands: its date may stay if it lies in [1980-01-02, now] and is agreed upon.

    Members that do not agree are given the date of most: that one has to be even, as all we write.
    """
    members, score, deviation = entry
    path, mtime_ns = members[0]
    second = mtime_ns // NANOSECONDS
    if len(members) == 1:  # nearly always, and this is done for every file of a folder
        keepable = second >= EARLIEST and mtime_ns <= now_ns
        return OrderItem(second, keepable, sign * score, deviation, path)
    second = entry.second
    staying = [ns for _, ns in members if ns // NANOSECONDS == second]
    agreed = len(staying) == len(members)
    keepable = second >= EARLIEST and max(staying) <= now_ns and (agreed or second % STEP == 0)
    return OrderItem(second, keepable, sign * score, deviation, path)
