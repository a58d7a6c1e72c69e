"""This module computes the target order: by score, but ties keep their present order.

The interval of an entry is score ± deviation. An entry must be before another entry only if its
whole interval is below the interval of the other entry. This relation is an interval order
(Fishburn 1970), which is transitive. The relation "nearly equal" is not transitive, so it defines
no order. Many orders respect the interval order. This module returns an order in which the largest
number of entries keep their dates.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from imgscore.order.spacing import STEP, longest_rising


class OrderItem(NamedTuple):
    """An entry with its present date in seconds.

    `keepable`: whether a plan may leave the date of the entry unchanged. `path`: the key that sorts
    entries with equal scores and dates.
    """

    second: int
    keepable: bool
    score: float
    deviation: float
    path: bytes


def wanted_order(
    items: Sequence[OrderItem], blocks: Sequence[Sequence[int]] = (), best: Literal[0, -1] = -1
) -> list[int]:
    """Return the indices of `items` in the target order, lowest score first.

    The result respects the interval order. The entries that `longest_stable` returns stay in the
    order of their dates. The other entries are inserted by score, then by date, then by path. The
    time is O(n log n).

    `blocks`: the entries that must stand together, as indices of `items`, each block in its target
    order. All items of a block have equal scores and deviations. `best`: the index of the best
    member in each block.
    """
    kept = longest_stable(_stable(items, blocks, best) if blocks else items)
    # The low and the high of an entry are the ends of its interval: score - deviation and score +
    # deviation. The entries that `longest_stable` returned are the kept entries. Compute a value
    # for each kept entry, between two limits. One limit is the largest low of this entry and all
    # kept entries before it. The other limit is the smallest high of this entry and all kept
    # entries after it. The values rise. Each other entry is inserted by comparing its score with
    # these values. The result then respects the interval order.
    lows = accumulate((items[i].score - items[i].deviation for i in kept), max)
    highs = accumulate((items[i].score + items[i].deviation for i in reversed(kept)), min)
    places = [(low + high) / 2 for low, high in zip(lows, reversed(list(highs)), strict=True)]
    moved = set(range(len(items))).difference(kept)
    block_of = {i: block for block in blocks for i in block}
    # A block stands at its kept members. If it has none, its first member is inserted for all.
    for i in kept:
        moved.difference_update(block_of.get(i, ()))
    for block in blocks:
        if block[0] in moved:
            moved.difference_update(block[1:])
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
    order += kept[done:]
    return _with_blocks(order, block_of) if blocks else order


def _stable(
    items: Sequence[OrderItem], blocks: Sequence[Sequence[int]], best: Literal[0, -1]
) -> list[OrderItem]:
    """Return `items`, but a member of a block is not keepable if its block must come to it."""
    slots = [item.second // STEP if item.keepable else None for item in items]
    stable, result = stable_members(slots, blocks, best), list(items)
    for block in blocks:
        for i in block:
            if i not in stable:
                second, _, score, deviation, path = items[i]
                result[i] = OrderItem(second, False, score, deviation, path)
    return result


def _with_blocks(order: Sequence[int], block_of: dict[int, Sequence[int]]) -> list[int]:
    """Return an order in which each whole block stands at the first of its members in `order`."""
    result: list[int] = []
    placed: set[int] = set()
    for i in order:
        if i not in block_of:
            result.append(i)
        elif i not in placed:
            result += block_of[i]
            placed.update(block_of[i])
    return result


def longest_stable(items: Sequence[OrderItem]) -> list[int]:
    """Return the indices of a longest subsequence of entries that can keep their dates.

    A valid subsequence is sorted by date, and it respects the interval order. It has at most one
    entry in each slot, which is a time span of STEP seconds. The algorithm is that of Elmasry, "The
    longest almost-increasing subsequence" (2010), with a separate tolerance for each entry.

    The low and the high of an entry are score - deviation and score + deviation. The tail of a
    subsequence is its largest low. `tails[l]` is the smallest tail of all valid subsequences of
    length l + 1. A new entry can extend a subsequence in two cases. If the tail is at most the low
    of the entry, this low is the tail of the longer subsequence. If the tail is greater than this
    low, but at most the high of the entry, the tail stays unchanged. The code therefore inserts the
    low into `tails` and removes the first tail that is greater than the high. If all deviations are
    0, the algorithm is patience sorting.
    """
    in_time = sorted(
        (second // STEP, -score - deviation, score - deviation, i)
        for i, (second, keepable, score, deviation, _) in enumerate(items)
        if keepable
    )
    return longest_run(in_time)


def longest_run(in_time: Iterable[tuple[int, float, float, int]]) -> list[int]:
    """Return the indices that `longest_stable` returns.

    `in_time`: a row (slot, -high, low, index) for each keepable entry, sorted.
    """
    tails: list[float] = []
    # Each item of `steps` is (slot, first changed tail, last changed tail, index of the entry).
    steps: list[tuple[int, int, int, int]] = []
    current, limit = -1, 0
    for slot, minus_high, low, i in in_time:
        start = bisect_right(tails, low)
        stop = bisect_right(tails, -minus_high, start)
        if slot == current:
            # The entry must not extend a subsequence that ends with another entry of its slot. The
            # entries of a slot are sorted by high, the greatest high first. All tails after the
            # index `limit` therefore already have the values that this entry would cause.
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


def stable_members(
    slots: Sequence[int | None], blocks: Sequence[Sequence[int]], best: Literal[0, -1]
) -> set[int]:
    """Return the members of blocks that may keep their dates, so that each block stays together.

    `slots`: the slot of each entry's date; None if the date cannot stay. `blocks`: indices of
    `slots`, in the wanted order of the dates, oldest first. All entries of a block have equal
    scores and deviations. `best`: the index of the best member in each block.

    For each block, the function chooses a largest set of members that already stand together in the
    wanted order. If several sets are equally large, it prefers the set that contains the best
    member, because the score of this member decides the position of the block.
    """
    in_order = sorted(slot for slot in slots if slot is not None)
    stable: set[int] = set()
    for block in blocks:
        in_time = sorted(
            (bisect_left(in_order, slot), place)
            for place, i in enumerate(block)
            if (slot := slots[i]) is not None
        )
        runs: list[list[int]] = []
        end = -1  # the rank of the only date that continues the last run; -1: none does
        for rank, place in in_time:
            is_alone = rank + 1 == len(in_order) or in_order[rank + 1] != in_order[rank]
            if rank == end and is_alone:
                runs[-1].append(place)
            else:
                runs.append([place])
            end = rank + 1 if is_alone else -1
        sets = [
            run if len(run) == 1 or run == sorted(run) else [run[k] for k in longest_rising(run, 1)]
            for run in runs
        ]
        sizes = [(len(places), best % len(block) in places) for places in sets]
        if sets:
            stable.update(block[place] for place in sets[sizes.index(max(sizes))])
    return stable
