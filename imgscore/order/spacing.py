"""Assigns dates to entries in a given order: as many as possible stay, the rest go into the gaps.

A gap that is too small is widened by re-spacing the smallest neighbourhood that is sparse enough:
list labelling (Itai, Konheim, Rodeh 1981) with the thresholds of Bender, Cole, Demaine,
Farach-Colton, Zito, "Two simplified algorithms for maintaining order in a list" (2002).
"""

from bisect import bisect_right
from collections.abc import Sequence

EARLIEST = 315_619_200  # seconds: 1980-01-02 UTC; FAT dates begin in 1980, local time
STEP = 2  # seconds, minimum between neighbours: FAT stores even seconds
SPACING = 3_600  # seconds between neighbours in a new order: a gap can be halved 10 times
REACH = 365 * 86_400  # seconds, maximum that a new order goes back: a large folder is denser
HEADROOM = 86_400  # seconds left free after a new order, for better entries to come
CROWDING = 1.3  # T of the paper: 2**i slots are sparse enough with at most (2/T)**i entries


def space(seconds: Sequence[int | None], now: int) -> list[int]:
    """Return a date (seconds) for each entry of an order; `None` marks one without a date.

    `seconds` and the result are oldest first. The result rises by at least STEP, lies in
    [EARLIEST, now], and its changed dates are even. As many dates as possible stay; if the gaps
    between these have no room for the rest, neighbours move too: O(log n) per insertion,
    averaged over any sequence of insertions. Raises ValueError for more entries than slots.
    """
    if len(seconds) > (now - EARLIEST) // STEP + 1:
        raise ValueError(f"{len(seconds)} entries do not fit between 1980 and now")
    dates: list[int | None] = [None] * len(seconds)
    kept = keepable(seconds, now)
    for i in kept:
        dates[i] = seconds[i]
    crowded = []
    for left, right in zip([-1, *kept], [*kept, len(seconds)], strict=True):
        if right - left > 1 and not _fill(dates, left, right, now):
            crowded.append((left, right))
    for left, right in crowded:
        if dates[left + 1] is None and not _fill(dates, left, right, now):
            _open(dates, left, right, now)
    return [date for date in dates if date is not None]


def keepable(seconds: Sequence[int | None], now: int) -> list[int]:
    """Return the indices of a largest set of dates in [EARLIEST, now] that rise by >= STEP.

    Prefers a set of that size whose gaps have room for all other entries: a set in which the dates,
    less STEP for each position, never fall.
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
    """Return the indices of a longest subsequence that rises by >= `rise`; skips `None`.

    Patience sorting.
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


def _fill(dates: list[int | None], left: int, right: int, now: int) -> bool:
    """Date the entries between `left` and `right` (-1, len: open ends); False without room."""
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
    # At an open end a regular stride leaves room for later entries beyond it; else space evenly.
    stride = min(spacing // STEP, (slots + 1) // (count + 1))
    if left < 0:
        places = list(range(slots - stride * count, slots, stride))
    elif right == len(dates):
        places = list(range(stride - 1, stride * count, stride))
    else:
        places = _evenly(count, slots)
    dates[left + 1 : right] = [floor + STEP * place for place in places]
    return True


def _open(dates: list[int | None], left: int, right: int, now: int) -> None:
    """Re-space the smallest aligned neighbourhood of a crowded gap that is sparse enough.

    A neighbourhood is a span of 2**level slots of absolute time. Its dated and undated entries are
    spaced evenly. All entries before the gap already have dates.
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
    """Return `count` of the slots 0..slots-1, with equal gaps between them and at both ends."""
    return [k * (slots + 1) // (count + 1) - 1 for k in range(1, count + 1)]


def _first_after(dates: list[int | None], i: int) -> int:
    """Return the first free even second after entry i; EARLIEST if i = -1."""
    date = dates[i] if i >= 0 else None
    return EARLIEST if date is None else date + STEP + date % STEP


def _last_before(dates: list[int | None], i: int, now: int) -> int:
    """Return the last free even second before entry i; now if it is undated or past the end."""
    date = dates[i] if i < len(dates) else None
    return now - now % STEP if date is None else date - STEP - date % STEP
