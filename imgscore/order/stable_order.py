"""This module computes the target order: by score, but ties keep their present order.

A score with noise is an interval. An entry must be before another entry only if its whole interval
is below the interval of the other entry. This relation is an interval order (Fishburn 1970), which
is transitive. The relation "nearly equal" is not transitive. Many orders respect the interval
order. This module returns one in which the most entries keep their dates.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from imgscore.order.spacing import STEP


class OrderItem(NamedTuple):
    """An entry with its present date in seconds.

    `keepable`: False if the date cannot stay, whatever the order is.
    """

    second: int
    keepable: bool
    score: float
    deviation: float
    path: bytes


def wanted_order(items: Sequence[OrderItem]) -> list[int]:
    """Return the indices of `items` from the lowest to the highest position.

    The result is a linear extension of the interval order. The entries of `longest_stable` keep
    their order. The other entries are inserted by score, then by date, then by path. The time is
    O(n log n).
    """
    kept = longest_stable(items)
    # Give each kept entry a value between two limits: the largest low up to the entry, and the
    # smallest high from the entry on. These values rise. Each moved entry is inserted by comparing
    # its score with these values. The moved entry then violates no interval order.
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
    """Return the indices of a longest subsequence of entries that can keep their dates.

    The subsequence is sorted by date, and it violates no interval order. It has at most one entry
    in each STEP of time. The algorithm is that of Elmasry, "The longest almost-increasing
    subsequence" (2010), with a separate tolerance for each entry.

    Each valid subsequence has a maximum of its lows. `tails[l]` is the smallest such maximum over
    all valid subsequences of length l + 1. A new entry (low, high) can extend two groups of
    subsequences. If tail <= low, the tail of the longer subsequence is low. If low < tail <= high,
    the tail of the longer subsequence is the old tail. The code therefore inserts low into `tails`
    and removes the first tail > high. Without deviations the algorithm is patience sorting.
    """
    in_time = sorted(
        (second // STEP, -score - deviation, score - deviation, i)
        for i, (second, keepable, score, deviation, _) in enumerate(items)
        if keepable
    )
    tails: list[float] = []
    # Each step is (slot, first changed tail, last changed tail, index of the entry).
    steps: list[tuple[int, int, int, int]] = []
    current, limit = -1, 0
    for slot, minus_high, low, i in in_time:
        start = bisect_right(tails, low)
        stop = bisect_right(tails, -minus_high, start)
        if slot == current:
            # An entry must not extend a subsequence that ends with another entry of its slot.
            # Entries of one slot are sorted by falling high. All tails above `limit` therefore
            # already have the values that this entry alone would cause.
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
