"""The plan: the fewest touches that put a folder into score order.

The functions do not read the disk or the clock. A plan has two steps. First stable_order.py
computes the order, then spacing.py computes the dates.
"""

from collections.abc import Sequence
from math import isnan
from typing import Literal, NamedTuple

from imgscore.order.blocks import Block
from imgscore.order.entries import NANOSECONDS, Entry
from imgscore.order.spacing import EARLIEST, STEP, space
from imgscore.order.stable_order import OrderItem, wanted_order
from imgscore.order.timeline import Timeline

Direction = Literal["best-newest", "worst-newest"]


class Touch(NamedTuple):
    """The change of one mtime.

    Both dates are in ns since 1970. `after_ns` is a whole, even number of seconds.
    """

    path: bytes
    before_ns: int
    after_ns: int


def plan(
    entries: Sequence[Entry],
    now_ns: int,
    direction: Direction = "best-newest",
    blocks: Sequence[Block] = (),
) -> list[Touch]:
    """Return the touches that put `entries` in order. The touch of the newest entry is the first.

    The list is empty if the entries are in order already. Entries are in order if three conditions
    are met:
    - The dates (rounded down to seconds) rise by at least 2 s from entry to entry.
    - All dates are in [1980-01-02, now].
    - If the intervals score ± deviation of two entries do not overlap, the better entry is newer
    (`best-newest`) or older (`worst-newest`).

    Entries whose intervals overlap keep their present order. The plan takes O(n log n) time. Raises
    ValueError if a score is NaN.

    `blocks`: the entries that stand together, as indices of `entries`. Each of them has the
    interval of its block, and in the block the best entry comes first.
    """
    return plan_with_timeline(entries, now_ns, direction, blocks)[0]


def plan_with_timeline(
    entries: Sequence[Entry], now_ns: int, direction: Direction, blocks: Sequence[Block] = ()
) -> tuple[list[Touch], Timeline]:
    """Return the touches of `plan`, and the resulting timeline for `insert_entry`."""
    now = now_ns // NANOSECONDS
    sign = 1.0 if direction == "best-newest" else -1.0
    items = [order_item(entry, now_ns, sign) for entry in entries]
    for members, score, deviation in blocks:
        for i in members:
            second, keepable, _, _, path = items[i]
            items[i] = OrderItem(second, keepable, sign * score, deviation, path)
    if any(isnan(item.score) for item in items):
        raise ValueError("a score is NaN: leave out entries without a score")
    joined = [block.members[:: -int(sign)] for block in blocks if len(block.members) > 1]
    order = wanted_order(items, joined, -1 if direction == "best-newest" else 0)
    dates = space([items[i].second if items[i].keepable else None for i in order], now)
    touches = [
        Touch(member.path, member.mtime_ns, date * NANOSECONDS)
        for i, date in zip(reversed(order), reversed(dates), strict=True)
        for member in entries[i].members
        if must_change(member.mtime_ns, date, now_ns)
    ]
    inner = {i for block in joined for i in block[1:]}
    return touches, Timeline.of(dates, [items[i] for i in order], [i in inner for i in order])


class Neighbours(NamedTuple):
    """The position of an entry in its block.

    `seconds`: the present dates of the other members of the block, in seconds, the best member
    first. `better`: the number of other members that are better than the entry.
    """

    seconds: Sequence[int]
    better: int


def insert_entry(
    timeline: Timeline,
    entry: Entry,
    now_ns: int,
    direction: Direction = "best-newest",
    block: Neighbours | None = None,
    *,
    removed: bool = False,
) -> list[Touch] | None:
    """Insert one more entry into an inbox that is in order. Return the touches of this entry.

    `entry`: the new entry, with exactly one member.
    `timeline`: a timeline that `plan_with_timeline` returned for this `direction`. The function
    adds the entry to the timeline. `block`: the position of the entry in its block, or None if it
    stands alone. If it is not None, the entry has the score and the deviation of the block.
    `removed`: whether the entry was removed from the timeline before.
    None means that the caller must plan all entries, for example because other entries need touches
    as well. The time is O(log n), plus one memmove.
    """
    (member,) = entry.members
    if isnan(entry.score):
        return None
    sign = 1.0 if direction == "best-newest" else -1.0
    item, now = order_item(entry, now_ns, sign), now_ns // NANOSECONDS
    if block is None or not block.seconds:
        second = timeline.insert(item, now, removed=removed)
    elif direction == "best-newest":
        older = len(block.seconds) - block.better
        second = timeline.insert_into_block(item, block.seconds[::-1], older, now, removed=removed)
    else:
        second = timeline.insert_into_block(item, block.seconds, block.better, now, removed=removed)
    if second is None:
        return None
    if not must_change(member.mtime_ns, second, now_ns):
        return []
    return [Touch(member.path, member.mtime_ns, second * NANOSECONDS)]


def must_change(mtime_ns: int, second: int, now_ns: int) -> bool:
    """Return whether a file with the date `second` in a plan must be touched.

    A date that is less than a second in the future can be in the same second as the planned date.
    If it stayed, the next plan would change it.
    """
    return mtime_ns // NANOSECONDS != second or mtime_ns > now_ns


def order_item(entry: Entry, now_ns: int, sign: float) -> OrderItem:
    """Return an entry as an OrderItem.

    A plan may leave the date of the entry unchanged if the date is in [1980-01-02, now]. If the
    members have different dates, the date of the entry is the date that most members have. In this
    case, the date must also be an even number of seconds, because imgscore sets it for the other
    members.

    `sign`: the factor for the score. It is 1 if the best entry must be the newest, and -1 if the
    best entry must be the oldest.
    """
    members, score, deviation = entry
    path, mtime_ns = members[0]
    second = mtime_ns // NANOSECONDS
    # Nearly every entry has exactly one member. This branch is faster than the general code below.
    if len(members) == 1:
        keepable = second >= EARLIEST and mtime_ns <= now_ns
        return OrderItem(second, keepable, sign * score, deviation, path)
    second = entry.second
    staying = [ns for _, ns in members if ns // NANOSECONDS == second]
    agreed = len(staying) == len(members)
    keepable = second >= EARLIEST and max(staying) <= now_ns and (agreed or second % STEP == 0)
    return OrderItem(second, keepable, sign * score, deviation, path)
