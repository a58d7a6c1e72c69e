"""Which order is wanted: by score, but scores within each other's noise stay as they stand.

Scores with noise are intervals. One entry must come before another only where its whole interval
lies below the other's: an interval order (Fishburn 1970), transitive, where "nearly equal" is not.
Any order that respects it is right; the one chosen leaves the most entries as they stand.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from imgscore.order.spacing import STEP


class Standing(NamedTuple):
    """One entry as it stands. `keepable` is False where its date cannot stay in any order."""

    second: int
    keepable: bool
    score: float
    deviation: float
    path: bytes


_Interval = tuple[float, float, int]  # low, high, index


class _Step(NamedTuple):
    """One candidate's effect on the tails: see longest_agreeing."""

    slot: int
    start: int
    stop: int
    below: float
    members: list[_Interval]


def wanted_order(standings: Sequence[Standing]) -> list[int]:
    """Indices from the lowest to the highest place, a linear extension of the interval order.

    Entries of a longest agreeing subsequence keep their order in time; every other one goes by its
    score among them, and equals by date and path. O(n log n).
    """
    kept = longest_agreeing(standings)
    # Between the largest low so far and the least high to come lies a place for each kept entry
    # that rises along the sequence; a score on either side of it breaks no interval's order.
    lows = accumulate((standings[i].score - standings[i].deviation for i in kept), max)
    highs = accumulate((standings[i].score + standings[i].deviation for i in reversed(kept)), min)
    places = [(low + high) / 2 for low, high in zip(lows, reversed(list(highs)), strict=True)]
    others = set(range(len(standings))).difference(kept)
    by_score = sorted(
        others, key=lambda i: (standings[i].score, standings[i].second, standings[i].path)
    )
    order: list[int] = []
    done = 0
    for i in by_score:
        upto = bisect_right(places, standings[i].score, done)
        order += kept[done:upto]
        order.append(i)
        done = upto
    return order + kept[done:]


def longest_agreeing(standings: Sequence[Standing]) -> list[int]:
    """Indices of a longest subsequence in time, one a STEP, in which nothing is out of order.

    After Elmasry, "The longest almost-increasing subsequence" (2010), with a tolerance of each
    entry's own: `tails[l]` is the least possible maximum of the lows over all agreeing subsequences
    of length l + 1. An entry (low, high) extends those with tail <= low, which gives tail low, and
    those with low < tail <= high, which keep theirs: it is inserted at its place and the first tail
    > high drops out. With no deviation this is patience sorting.
    """
    in_time = sorted(
        (
            standing.second // STEP,
            standing.score - standing.deviation,
            standing.score + standing.deviation,
            i,
        )
        for i, standing in enumerate(standings)
        if standing.keepable
    )
    tails: list[float] = []
    steps: list[_Step] = []
    for slot, sharing in groupby(in_time, key=itemgetter(0)):
        # From the highest interval down: so none of a slot can build on another of it.
        for members in reversed(_overlapping([entry[1:] for entry in sharing])):
            low, high = members[0][0], max(member[1] for member in members)
            start = bisect_right(tails, low)
            stop = bisect_right(tails, high, start)
            steps.append(_Step(slot, start, stop, tails[start - 1] if start else low, members))
            tails.insert(start, low)
            del tails[stop + 1 : stop + 2]

    kept: list[int] = []
    length, tail = len(tails) - 1, tails[-1] if tails else 0.0
    taken = None
    for step in reversed(steps):
        if step.slot == taken or not step.start <= length <= step.stop:
            continue
        if length == step.start:
            kept.append(step.members[0][2])
            tail = step.below
        else:
            kept.append(next(i for low, high, i in step.members if low <= tail <= high))
        taken = step.slot
        length -= 1
    kept.reverse()
    return kept


def _overlapping(intervals: list[_Interval]) -> list[list[_Interval]]:
    """Sorted intervals of one slot, joined where they overlap: at most one of them is kept."""
    joined = [intervals[:1]]
    reach = intervals[0][1]
    for interval in intervals[1:]:
        if interval[0] <= reach:
            joined[-1].append(interval)
        else:
            joined.append([interval])
        reach = max(reach, interval[1])
    return joined
