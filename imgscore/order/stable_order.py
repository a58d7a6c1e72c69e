"""Which order is wanted: by score, but scores within each other's noise stay as they stand.

Scores with noise are intervals. One entry must come before another only where its whole interval
lies below the other's: an interval order (Fishburn 1970), transitive, where "nearly equal" is not.
Any order that respects it is right; the one chosen leaves the most entries as they stand.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from imgscore.order.spacing import STEP


class OrderItem(NamedTuple):
    """One entry as it stands. `keepable` is False where its date cannot stay in any order."""

    second: int
    keepable: bool
    score: float
    deviation: float
    path: bytes


def wanted_order(items: Sequence[OrderItem]) -> list[int]:
    """Indices from the lowest to the highest place, a linear extension of the interval order.

    Entries of a longest agreeing subsequence keep their order in time; every other one goes by its
    score among them, and equals by date and path. O(n log n).
    """
    kept = longest_stable(items)
    # Between the largest low so far and the least high to come lies a place for each kept entry
    # that rises along the sequence; a score on either side of it breaks no interval's order.
    lows = accumulate((items[i].score - items[i].deviation for i in kept), max)
    highs = accumulate((items[i].score + items[i].deviation for i in reversed(kept)), min)
    places = [(low + high) / 2 for low, high in zip(lows, reversed(list(highs)), strict=True)]
    others = set(range(len(items))).difference(kept)
    by_score = sorted(
        (score, second, path, i)
        for i, (second, _, score, _, path) in enumerate(items)
        if i in others
    )
    order: list[int] = []
    done = 0
    for score, _, _, i in by_score:
        upto = bisect_right(places, score, done)
        if upto > done:
            order += kept[done:upto]
            done = upto
        order.append(i)
    return order + kept[done:]


def longest_stable(items: Sequence[OrderItem]) -> list[int]:
    """Indices of a longest subsequence in time, one a STEP, in which nothing is out of order.

    After Elmasry, "The longest almost-increasing subsequence" (2010), with a tolerance of each
    entry's own: `tails[l]` is the least possible maximum of the lows over all agreeing subsequences
    of length l + 1. An entry (low, high) extends those with tail <= low, which gives tail low, and
    those with low < tail <= high, which keep theirs: it is inserted at its place and the first tail
    > high drops out. With no deviation this is patience sorting.
    """
    in_time = sorted(
        (second // STEP, -score - deviation, score - deviation, i)
        for i, (second, keepable, score, deviation, _) in enumerate(items)
        if keepable
    )
    tails: list[float] = []
    steps: list[tuple[int, int, int, int]] = []  # slot, first and last tail changed, index
    current, limit = -1, 0
    for slot, minus_high, low, i in in_time:
        start = bisect_right(tails, low)
        stop = bisect_right(tails, -minus_high, start)
        if slot == current:
            # None of a slot may extend another: they come with falling highs, so that all above
            # `limit` is already as if this one had been tried on the tails before the slot.
            if start > limit:
                continue
            stop = min(stop, limit)
        current, limit = slot, start
        steps.append((slot, start, stop, i))
        if start == stop:
            tails[start : start + 1] = [low]
        else:
            tails.insert(start, low)
            del tails[stop + 1 : stop + 2]

    kept: list[int] = []
    length, taken = len(tails) - 1, -1
    for slot, start, stop, i in reversed(steps):
        if start <= length <= stop and slot != taken:
            kept.append(i)
            length -= 1
            taken = slot
    kept.reverse()
    return kept
