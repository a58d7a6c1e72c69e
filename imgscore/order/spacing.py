"""This module assigns dates to the entries of a given order.

As many dates as possible do not change. The other entries get new dates in the gaps between the
unchanged dates. If a gap has too little room for its entries, the module finds a longer time span
around the gap that has enough room. All entries in this span get new, evenly spaced dates.

The method is list labelling (Itai, Konheim, Rodeh 1981). The limit for the number of entries in a
span is that of Bender, Cole, Demaine, Farach-Colton, Zito, "Two simplified algorithms for
maintaining order in a list" (2002).
"""

from bisect import bisect_right
from collections.abc import Sequence

# The earliest date that is assigned, in seconds: 1980-01-02 UTC. FAT dates begin in 1980, in local
# time.
EARLIEST = 315_619_200
# The smallest distance of two neighbours, in seconds. FAT stores only even numbers of seconds.
STEP = 2
# The distance of two neighbours in a new order, in seconds: a little more than an hour. A new entry
# between two neighbours halves their distance. This is possible 11 times. If a change of the time
# zone moves all dates, no date becomes the earlier date of a near neighbour: the difference of two
# dates is a multiple of a quarter of an hour only after 10 days.
SPACING = 4_096
# The longest time span of a new order, in seconds. In a large folder, the dates are closer than
# SPACING.
REACH = 365 * 86_400
# The time left free between a new order and now, in seconds. Better entries can later get dates in
# this time.
HEADROOM = 86_400
# The parameter T in the paper of Bender et al. A time span of 2**i slots is used if it contains at
# most (2/T)**i entries. A slot is STEP seconds long.
CROWDING = 1.3


def space(seconds: Sequence[int | None], now: int) -> list[int]:
    """Return a date (in seconds) for each entry of an order.

    `seconds`: the present dates, oldest first. None means that an entry has no date to keep.
    `now`: the present time, in seconds.

    The result is also oldest first, and it rises by at least STEP. All its dates are in [EARLIEST,
    now]. The changed dates are even numbers.

    As many of the present dates as possible stay unchanged. If the entries between two unchanged
    dates do not fit, more of the present dates must change. This costs O(log n) changes per
    insertion, averaged over any sequence of insertions.

    Raises ValueError if the entries do not fit between EARLIEST and `now`.
    """
    if len(seconds) > (now - EARLIEST) // STEP + 1:
        raise ValueError(
            f"{len(seconds)} files are too many: there are too few dates between 1980 and now"
        )
    dates: list[int | None] = [None] * len(seconds)
    kept = keepable(seconds, now)
    for i in kept:
        dates[i] = seconds[i]
    crowded = []
    for left, right in zip([-1, *kept], [*kept, len(seconds)], strict=True):
        if right - left > 1 and not fill_gap(dates, left, right, now):
            crowded.append((left, right))
    for left, right in crowded:
        if dates[left + 1] is None and not fill_gap(dates, left, right, now):
            widen_gap(dates, left, right, now)
    return [date for date in dates if date is not None]


def keepable(seconds: Sequence[int | None], now: int) -> list[int]:
    """Return the indices of a largest set of dates in [EARLIEST, now] that rise by >= STEP.

    There can be several largest sets. The function prefers a set whose gaps have room for all other
    entries. To find this set, the function subtracts STEP times the index from each date. If a set
    has room in its gaps, the resulting values never fall.
    """
    last = len(seconds) - 1
    within = [None if s is None or not EARLIEST <= s <= now else s for s in seconds]
    roomy = [
        None
        if s is None or not EARLIEST + STEP * i <= s <= now - STEP * (last - i)
        else s - STEP * i
        for i, s in enumerate(within)
    ]
    with_room, largest = longest_rising(roomy, 0), longest_rising(within, STEP)
    return with_room if len(with_room) == len(largest) else largest


def longest_rising(values: Sequence[int | None], rise: int) -> list[int]:
    """Return the indices of a longest subsequence in which each value rises by at least `rise`.

    Values that are None are skipped. The algorithm is patience sorting.
    """
    tails: list[int] = []
    ends: list[int] = []
    before = [-1] * len(values)
    for i, value in enumerate(values):
        if value is None:
            continue
        length = bisect_right(tails, value - rise)
        before[i] = ends[length - 1] if length else -1
        tails[length : length + 1] = [value]
        ends[length : length + 1] = [i]
    indices = []
    i = ends[-1] if ends else -1
    while i >= 0:
        indices.append(i)
        i = before[i]
    indices.reverse()
    return indices


def fill_gap(dates: list[int | None], left: int, right: int, now: int) -> bool:
    """Assign dates to the entries in a gap, between the indices `left` and `right`.

    The entries at `left` and `right` have dates. `left` is -1 if the gap has no older entry.
    `right` is the number of entries if the gap has no newer entry. Returns False and changes
    nothing if the gap has too little room.
    """
    count = right - left - 1
    ceiling = _last_before(dates, right, now)
    spacing = SPACING
    if count == len(dates):
        ceiling = min(ceiling, max(EARLIEST + count * STEP, now - HEADROOM))
        spacing = max(STEP, min(SPACING, REACH // count))
    floor = _first_after(dates, left)
    slots = (ceiling - floor) // STEP + 1
    if slots < count:
        return False
    # If the gap has a dated entry on only one side, place the new dates near this entry, at regular
    # distances. Room for later entries then remains on the other side. If the gap has dated entries
    # on both sides, space the new dates evenly.
    stride = min(spacing // STEP, (slots + 1) // (count + 1))
    if left < 0:
        places = list(range(slots - stride * count, slots, stride))
    elif right == len(dates):
        places = list(range(stride - 1, stride * count, stride))
    else:
        places = _evenly(count, slots)
    dates[left + 1 : right] = [floor + STEP * place for place in places]
    return True


def widen_gap(dates: list[int | None], left: int, right: int, now: int) -> None:
    """Assign dates to the entries in a gap that has too little room.

    The function searches for a time span around the gap that has enough free slots. It begins with
    a short span and doubles the length until there is enough room. A span has 2**level slots, and
    its start is a multiple of its length. All entries in the span get evenly spaced dates, whether
    or not they had dates. The caller has already assigned dates to all entries before the gap.
    """
    anchor = dates[left] if left >= 0 else dates[right]
    assert anchor is not None, "a gap with two open ends always has room"
    low, high = left + 1, right
    for level in range(1, now.bit_length() + 1):
        size = STEP << level
        start = anchor - anchor % size
        while low > 0 and (dates[low - 1] or 0) >= start:
            low -= 1
        reached = high
        while reached < len(dates) and (dates[reached] or 0) < start + size:
            reached += 1
            if dates[reached - 1] is not None:
                high = reached
        floor = max(_first_after(dates, low - 1), start)
        ceiling = min(_last_before(dates, high, now), start + size - STEP)
        slots = (ceiling - floor) // STEP + 1
        count = high - low
        if count <= slots * CROWDING**-level or (size > now and count <= slots):
            dates[low:high] = [floor + STEP * place for place in _evenly(count, slots)]
            return


def _evenly(count: int, slots: int) -> list[int]:
    """Choose `count` evenly spaced slots, and return their indices from 0 to slots - 1.

    The gaps at both ends are as large as the gaps between the returned slots.
    """
    return [k * (slots + 1) // (count + 1) - 1 for k in range(1, count + 1)]


def _first_after(dates: list[int | None], i: int) -> int:
    """Return the earliest free date after entry `i` that is an even number of seconds.

    If `i` is -1, return EARLIEST.
    """
    date = dates[i] if i >= 0 else None
    return EARLIEST if date is None else date + STEP + date % STEP


def _last_before(dates: list[int | None], i: int, now: int) -> int:
    """Return the latest free date before entry `i` that is an even number of seconds.

    If entry `i` has no date or does not exist, return `now` rounded down to an even number.
    """
    date = dates[i] if i < len(dates) else None
    return now - now % STEP if date is None else date - STEP - date % STEP
