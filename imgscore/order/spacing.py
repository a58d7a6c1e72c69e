"""When each entry of a known order is dated: what stands right stays, the rest goes into the gaps.

A gap that is too small is opened by re-spacing the smallest neighbourhood that is sparse enough:
list labelling (Itai, Konheim, Rodeh 1981) with the thresholds of Bender, Cole, Demaine,
Farach-Colton, Zito, "Two simplified algorithms for maintaining order in a list" (2002).
"""

from bisect import bisect_right
from collections.abc import Sequence

EARLIEST = 315_619_200  # 1980-01-02 UTC: FAT knows nothing before 1980, in whatever time zone
STEP = 2  # seconds between neighbours: FAT stores even seconds
SPACING = 3_600  # seconds between neighbours where there is room: fine dates, room for 10 halvings
REACH = 365 * 86_400  # seconds a fresh order reaches back at most: a large folder is spaced closer
HEADROOM = 86_400  # seconds left free above a fresh order, for what will be better still
CROWDING = 1.3  # T of the paper: 2**i slots are sparse enough with at most (2/T)**i entries


def space(seconds: Sequence[int | None], now: int) -> list[int]:
    """Dates (seconds) for entries in the wanted order, oldest first; `None` has no place yet.

    Returns as many, rising by >= STEP, in [EARLIEST, now], the changed ones even. As many as can
    be are returned as they came, where the gaps between these have room for the rest; where not,
    only neighbours move too: O(log n) an insertion, on average over any sequence of insertions.
    Raises ValueError if there are more entries than slots.
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
    """Indices of as many dates in [EARLIEST, now] as can stay, rising by >= STEP.

    Of equally many, those between which the others find room: dates less STEP for each place in the
    order must not fall. Only where that would keep fewer is room to be made.
    """
    last = len(seconds) - 1
    within = [None if s is None or not EARLIEST <= s <= now else s for s in seconds]
    roomy = [
        None
        if s is None or not EARLIEST + STEP * i <= s <= now - STEP * (last - i)
        else s - STEP * i
        for i, s in enumerate(within)
    ]
    with_room, most = longest_rising(roomy, 0), longest_rising(within, STEP)
    return with_room if len(with_room) == len(most) else most


def longest_rising(values: Sequence[int | None], rise: int) -> list[int]:
    """Indices of a longest subsequence, `None` left out, rising by >= `rise`: patience sorting."""
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
    found = []
    i = ends[-1] if ends else -1
    while i >= 0:
        found.append(i)
        i = before[i]
    found.reverse()
    return found


def _fill(dates: list[int | None], left: int, right: int, now: int) -> bool:
    """Date what lies between left and right (-1, len: open ends); False if there is no room."""
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
    # At an open end a regular stride, so that what comes later finds room beyond; else evenly.
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
    """Re-space the smallest aligned neighbourhood of a gap without room that is sparse enough.

    Neighbourhoods are spans of 2**level slots of absolute time; what they hold, and what is still
    undated between, is spread evenly. Everything before the gap is dated by now.
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
    """`count` of the places 0..slots-1, with equal gaps between them and at both ends."""
    return [k * (slots + 1) // (count + 1) - 1 for k in range(1, count + 1)]


def _first_after(dates: list[int | None], i: int) -> int:
    """The first even second that is free after entry i; i = -1: since 1980."""
    date = dates[i] if i >= 0 else None
    return EARLIEST if date is None else date + STEP + date % STEP


def _last_before(dates: list[int | None], i: int, now: int) -> int:
    """The last even second that is free before entry i; undated or past the end: now."""
    date = dates[i] if i < len(dates) else None
    return now - now % STEP if date is None else date - STEP - date % STEP
