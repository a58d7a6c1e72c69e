"""Computes the target order: by score, except that ties keep their present order.

A score with noise is an interval. An entry must come before another only if its whole interval is
below the other's: an interval order (Fishburn 1970), which is transitive; "nearly equal" is not.
Of all orders that respect it, this module takes one in which the most entries keep their dates.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from imgscore.order.spacing import STEP


class OrderItem(NamedTuple):
    """An entry with its present date. `keepable`: False if the date cannot stay in any order."""

    second: int
    keepable: bool
    score: float
    deviation: float
    path: bytes


def wanted_order(items: Sequence[OrderItem]) -> list[int]:
    """Return the indices from the lowest to the highest position.

    The result is a linear extension of the interval order. The entries of `longest_stable` keep
    their order; the others are inserted by score, then date, then path. O(n log n).
    """
    kept = longest_stable(items)
    # Each kept entry gets a value between the largest low before it and the smallest high after
    # it. These values rise; an entry inserted by comparing its score with them breaks no order.
    lows = accumulate((items[i].score - items[i].deviation for i in kept), max)
    highs = accumulate((items[i].score + items[i].deviation for i in reversed(kept)), min)
    places = [(low + high) / 2 for low, high in zip(lows, reversed(list(highs)), strict=True)]
    moved = set(range(len(items))).difference(kept)
    by_score = sorted(
        (score, second, path, i)
        for i, (second, _, score, _, path) in enumerate(items)
        if i in moved
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
    """Return the indices of a longest subsequence in time that violates no interval order.

    It has at most one entry in each STEP of time. After Elmasry, "The longest almost-increasing
    subsequence" (2010), with a tolerance for each entry. `tails[l]` is the smallest maximum of the
    lows over all valid subsequences of length l + 1. An entry (low, high) extends those with
    tail <= low, whose tail becomes low, and those with low < tail <= high, whose tail stays: its
    low is inserted, and the first tail > high is removed. Without deviations this is patience
    sorting.
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
            # Entries of one slot must not extend each other. They come by falling high, so all
            # tails above `limit` are already those that this entry would have made before the slot.
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
