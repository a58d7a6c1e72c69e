"""The plan of a large inbox, computed with arrays: the same plan as that of `plan.py`.

A worker makes such plans. The daemon must not load numpy, so it plans small inboxes with `plan.py`.
Tests compare both. The functions do not read the disk or the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.order.blocks import Block
from imgscore.order.entries import NANOSECONDS
from imgscore.order.plan import Direction
from imgscore.order.spacing import EARLIEST, STEP, fill_gap, keepable, widen_gap
from imgscore.order.stable_order import longest_run, stable_members
from imgscore.order.timeline import Packed

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Columns(NamedTuple):
    """The entries of an inbox. Each array has one element for each entry.

    `seconds`: the present date of the entry, in seconds since 1970, rounded down.
    `keepable`: whether a plan may leave this date unchanged.
    `scores`, `deviations`: see Entry.
    `ranks`: numbers that sort the entries by path.
    """

    seconds: Ints
    keepable: Bools
    scores: Reals
    deviations: Reals
    ranks: Ints


class ColumnPlan(NamedTuple):
    """The order of an inbox, oldest entry first.

    `order`: the indices of the entries. `dates`: the date of each of them, in seconds since 1970.
    `changed`: whether an entry with one file must be touched; see `plan.must_change`. `timeline`:
    the packed Timeline.
    """

    order: Ints
    dates: Ints
    changed: Bools
    timeline: Packed


def keepable_dates(seconds: Ints, rests: NDArray[Any], now_ns: int) -> Bools:
    """Return whether a plan may leave the dates of files unchanged; see `plan.plan`.

    `seconds`, `rests`: the dates, in whole seconds and further nanoseconds.
    """
    now, rest = divmod(now_ns, NANOSECONDS)
    past = (seconds < now) | ((seconds == now) & (rests <= rest))
    return np.asarray((seconds >= EARLIEST) & past)


def tie_deviations(scores: Reals, noises: Reals, knots: Sequence[float]) -> Reals:
    """Return `ties.tie_deviation` for each score."""
    known = np.array([-np.inf, -np.inf, *knots, np.inf, np.inf])
    place = np.searchsorted(known[2:-2], scores, side="right")
    limits = np.minimum(scores - known[place], known[place + 3] - scores)
    return np.asarray(np.maximum(0.0, np.minimum(noises, limits)))


def plan_columns(
    columns: Columns, now_ns: int, direction: Direction, blocks: Sequence[Block]
) -> ColumnPlan:
    """Return the plan that `plan.plan_with_timeline` would make. No score is NaN."""
    best: Literal[0, -1] = -1 if direction == "best-newest" else 0
    scores, deviations = columns.scores.copy(), columns.deviations.copy()
    every = _Blocks.of([block.members for block in blocks])
    scores[every.members] = np.repeat([block.score for block in blocks], every.sizes)
    deviations[every.members] = np.repeat([block.deviation for block in blocks], every.sizes)
    if best == 0:
        scores = -scores
    several = [block.members for block in blocks if len(block.members) > 1]
    joined = _Blocks.of([members[::-1] for members in several] if best else several)
    lows, highs = scores - deviations, scores + deviations
    order = _wanted_order(columns, scores, lows, highs, joined, best)
    now = now_ns // NANOSECONDS
    dates = _space(columns.seconds[order], columns.keepable[order], now)
    inner = np.zeros(len(order), np.bool_)
    inner[joined.members] = True
    inner[joined.first] = False
    timeline = (
        dates.tobytes(),
        np.maximum.accumulate(lows[order]).tobytes(),
        _smallest_after(highs[order]).tobytes(),
        inner[order].tobytes(),
    )
    # A file whose date may not stay can have it by chance: it is in the future by less than 1 s.
    changed = (columns.seconds[order] != dates) | ~columns.keepable[order]
    return ColumnPlan(order, dates, changed, timeline)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Blocks of entries, one after the other.

    `lists`: the entries of each block. `members`: all of them. `sizes`, `starts`: the number of the
    members of each block, and the place of its first member in `members`.
    """

    lists: Sequence[Sequence[int]]
    members: Ints
    sizes: Ints
    starts: Ints

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> _Blocks:
        members = np.fromiter(chain.from_iterable(lists), np.int64)
        sizes = np.fromiter(map(len, lists), np.int64, len(lists))
        return cls(lists, members, sizes, np.cumsum(sizes) - sizes)

    @property
    def first(self) -> Ints:
        """The first entry of each block."""
        return self.members[self.starts]

    def joined(self, order: Ints, count: int) -> Ints:
        """Return an order of all `count` entries with each block at its first member in `order`."""
        block = np.full(count, -1, np.int64)
        block[self.members] = np.repeat(np.arange(len(self.lists)), self.sizes)
        block = block[order]
        _, first = np.unique(block, return_index=True)
        sizes = np.where(block < 0, 1, 0)
        heads = first[block[first] >= 0]
        sizes[heads] = self.sizes[block[heads]]
        places = np.cumsum(sizes) - sizes
        result = np.empty(count, np.int64)
        result[places[block < 0]] = order[block < 0]
        own = self.sizes[block[heads]]
        inner = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
        result[np.repeat(places[heads], own) + inner] = self.members[
            np.repeat(self.starts[block[heads]], own) + inner
        ]
        return result


def _smallest_after(values: Reals) -> Reals:
    """Return, for each value, the smallest one of it and all later ones."""
    return np.asarray(np.minimum.accumulate(values[::-1])[::-1])


def _wanted_order(
    columns: Columns,
    scores: Reals,
    lows: Reals,
    highs: Reals,
    blocks: _Blocks,
    best: Literal[0, -1],
) -> Ints:
    """Return the indices of the entries as `stable_order.wanted_order` does."""
    slots, may_stay = columns.seconds // STEP, columns.keepable.copy()
    if len(blocks.members):
        known = np.where(may_stay, slots, -1).tolist()
        may_be = [slot if slot >= 0 else None for slot in known]
        stable = stable_members(may_be, blocks.lists, best)
        may_stay[blocks.members] = False
        may_stay[[*stable]] = columns.keepable[[*stable]]
    candidates = np.flatnonzero(may_stay)
    in_time = candidates[np.lexsort((lows[candidates], -highs[candidates], slots[candidates])),]
    rows = (slots[in_time], -highs[in_time], lows[in_time], in_time)
    kept = np.array(longest_run(zip(*(row.tolist() for row in rows), strict=True)), np.int64)
    places = (np.maximum.accumulate(lows[kept]) + _smallest_after(highs[kept])) / 2
    is_moved = np.ones(len(scores), np.bool_)
    is_moved[kept] = False
    if len(blocks.members):
        # A block stands at its kept members. If it has none, its first member is inserted for all.
        is_new = np.logical_and.reduceat(is_moved[blocks.members], blocks.starts)
        is_moved[blocks.members] = False
        is_moved[blocks.first[is_new]] = True
    moved = np.flatnonzero(is_moved)
    moved = moved[np.lexsort((columns.ranks[moved], columns.seconds[moved], scores[moved]))]
    at = np.searchsorted(places, scores[moved], side="right")
    order = np.insert(kept, at, moved)
    return blocks.joined(order, len(scores)) if len(blocks.members) else order


def _space(seconds: Ints, may_stay: Bools, now: int) -> Ints:
    """Return the dates that `spacing.space` assigns. `seconds`: oldest entry first."""
    count = len(seconds)
    if count > (now - EARLIEST) // STEP + 1:
        raise ValueError(
            f"{count} files are too many: there are too few dates between 1980 and now"
        )
    known = [
        second if stays else None
        for second, stays in zip(seconds.tolist(), may_stay.tolist(), strict=True)
    ]
    kept = np.array(keepable(known, now), np.int64)
    dates = np.full(count, -1, np.int64)
    dates[kept] = seconds[kept]
    # Most gaps are between two kept dates, and have enough room: fill all of these at once.
    left, right = kept[:-1], kept[1:]
    sizes = right - left - 1
    floor = dates[left] + STEP + dates[left] % STEP
    ceiling = dates[right] - STEP - dates[right] % STEP
    slots = (ceiling - floor) // STEP + 1
    fits = (sizes > 0) & (slots >= sizes)
    size = sizes[fits]
    number = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size) + 1
    place = number * np.repeat(slots[fits] + 1, size) // np.repeat(size + 1, size) - 1
    dates[np.repeat(left[fits], size) + number] = np.repeat(floor[fits], size) + STEP * place
    rest = (sizes > 0) & ~fits
    gaps = [*zip(left[rest].tolist(), right[rest].tolist(), strict=True)]
    ends = [(-1, int(kept[0])), (int(kept[-1]), count)] if len(kept) else [(-1, count)]
    gaps = sorted([*gaps, *((first, end) for first, end in ends if end - first > 1)])
    if not gaps:
        return dates
    filled: list[int | None] = [date if date >= 0 else None for date in dates.tolist()]
    crowded = [(first, end) for first, end in gaps if not fill_gap(filled, first, end, now)]
    for first, end in crowded:
        if filled[first + 1] is None and not fill_gap(filled, first, end, now):
            widen_gap(filled, first, end, now)
    return np.array(filled, np.int64)
