"""The timeline: an ordered inbox in compact form, into which one more entry can be inserted.

The module reads no files and no clock. It applies the rules of a full plan (stable_order.py,
spacing.py) to a single new entry.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from math import inf

from imgscore.order.spacing import STEP, space
from imgscore.order.stable_order import OrderItem

Packed = tuple[bytes, bytes, bytes, bytes]


class Timeline:
    """The entries of an inbox in order, oldest first.

    Each entry takes 25 bytes, so the idle daemon can keep the timeline in memory. If the file of an
    entry is deleted or moved, the entry may remain in the timeline. Such an entry has only two
    effects: no new entry gets its date, and its score still limits the positions of new entries.
    """

    def __init__(
        self,
        seconds: "array[int]",
        lows: "array[float]",
        highs: "array[float]",
        joined: bytearray,
    ) -> None:
        self._seconds = seconds
        self._lows = lows
        """For each entry, the largest score - deviation of this entry and all older entries.

        No newer entry may have an interval that is completely below this value.
        """
        self._highs = highs
        """For each entry, the smallest score + deviation of this entry and all newer entries.

        No older entry may have an interval that is completely above this value.
        """
        self._joined = joined
        """For each entry, 1 if it is in the block of the next older entry, else 0.

        All entries of a block have equal values in `_lows`, and equal values in `_highs`.
        """

    @classmethod
    def of(
        cls, seconds: Iterable[int], items: Sequence[OrderItem], joined: Iterable[bool]
    ) -> "Timeline":
        """Create a timeline.

        `items`: the entries in order, oldest first. `seconds`: the date of each entry. `joined`:
        for each entry, whether it is in the block of the next older entry.
        """
        lows = accumulate((item.score - item.deviation for item in items), max)
        highs = accumulate((item.score + item.deviation for item in reversed(items)), min)
        return cls(
            array("q", seconds), array("d", lows), array("d", highs)[::-1], bytearray(joined)
        )

    @classmethod
    def unpacked(cls, packed: Packed) -> "Timeline":
        """Create a timeline from bytes that `packed` returned on this machine."""
        seconds, lows, highs, joined = packed
        return cls(array("q", seconds), array("d", lows), array("d", highs), bytearray(joined))

    def packed(self) -> Packed:
        """Return the timeline encoded as bytes, for a message."""
        return (
            self._seconds.tobytes(),
            self._lows.tobytes(),
            self._highs.tobytes(),
            bytes(self._joined),
        )

    def __len__(self) -> int:
        return len(self._seconds)

    def insert(self, item: OrderItem, now: int, *, removed: bool = False) -> int | None:
        """Insert an entry that is in no block, and return its date in seconds.

        If the present date of the entry is already in order, the entry keeps this date. Otherwise
        the function chooses a new date between the dates of the neighbours.

        The function returns None and changes nothing in two cases. In the first case, there is no
        room for a new date between the neighbours. In the second case, the present date is in
        order, but it is less than STEP from another date in the timeline. That date may be an older
        date of this entry. If the result is None, the caller must plan the whole inbox again.

        `removed`: whether the entry was removed from the timeline before. The date in the second
        case is then the date of another entry, and the function chooses a new date.
        """
        low, high = item.score - item.deviation, item.score + item.deviation
        at = bisect_left(self._seconds, item.second)
        first, last = bisect_left(self._highs, low), bisect_right(self._lows, high)
        if item.keepable and first <= at <= last and not self._is_inner(at):
            beside = self._seconds[max(0, at - 1) : at + 1]
            if all(abs(item.second - second) >= STEP for second in beside):
                self._insert(at, item.second, low, high)
                return item.second
            if not removed:
                return None
        at = bisect_right(range(len(self)), item.score, key=self._middle)
        date = self._free_date(at, now)
        if date is not None:
            self._insert(at, date, low, high)
        return date

    def insert_into_block(
        self,
        item: OrderItem,
        others: Sequence[int],
        older: int,
        now: int,
        *,
        removed: bool = False,
    ) -> int | None:
        """Insert an entry into its block, and return its date in seconds.

        `item`: the entry, with the score and the deviation of its block. `others`: the dates of the
        other members of the block, in seconds, in the wanted order, oldest first. `older`: the
        number of other members that must be older than the entry. `removed`: as in `insert`.

        The function returns None and changes nothing if the other members do not stand together, if
        the block must get another position, or in a case that `insert` describes. If the interval
        of the block has changed, its former interval also limits the positions of new entries.
        """
        places = [bisect_left(self._seconds, second) for second in others]
        # After a change by the user, the dates of the members need not be in the wanted order.
        if max(places) == len(self) or any(
            self._seconds[at] != second for at, second in zip(places, others, strict=True)
        ):
            return None
        if any(low >= high for low, high in pairwise(places)):
            return None
        if not all(self._joined[places[0] + 1 : places[-1] + 1]):
            return None
        start, stop = places[0], places[-1] + 1
        while self._joined[start]:
            start -= 1
        while self._is_inner(stop):
            stop += 1
        low, high = item.score - item.deviation, item.score + item.deviation
        if low > self._highs[start] or high < self._lows[stop - 1]:
            return None
        at = places[older - 1] + 1 if older else places[0]
        date: int | None = item.second
        beside = self._seconds[max(0, at - 1) : at + 1]
        fits = all(abs(item.second - second) >= STEP for second in beside)
        if not (item.keepable and fits and bisect_left(self._seconds, item.second) == at):
            near = bisect_left(self._seconds, item.second - STEP + 1)
            is_taken = start <= near < stop and self._seconds[near] < item.second + STEP
            if item.keepable and is_taken and not removed:
                return None
            date = self._free_date(at, now)
        if date is not None:
            self._insert(at, date, low, high, (start, stop))
        return date

    def remove(self, second: int) -> bool:
        """Remove the entry with this date. Return False if there is no such entry.

        The score of the entry still limits the positions of new entries.
        """
        at = bisect_left(self._seconds, second)
        if at == len(self) or self._seconds[at] != second:
            return False
        if self._is_inner(at + 1) and not self._joined[at]:
            self._joined[at + 1] = 0
        for column in (self._seconds, self._lows, self._highs, self._joined):
            del column[at]
        return True

    def _is_inner(self, at: int) -> bool:
        """Return whether the position before the entry `at` is inside a block."""
        return at < len(self) and bool(self._joined[at])

    def _free_date(self, at: int, now: int) -> int | None:
        """Return a new date before the entry `at` and after the next older entry.

        Return None if there is no room.
        """
        before, after = self._seconds[max(0, at - 1) : at], self._seconds[at : at + 1]
        dates = space([*before, None, *after], now)
        date = dates[len(before)]
        return date if dates == [*before, date, *after] else None

    def _middle(self, at: int) -> float:
        """Return a score for the position `at`. An entry with this score can be inserted there.

        The insertion respects the interval order. `wanted_order` computes such values as well.
        """
        return (self._lows[at] + self._highs[at]) / 2

    def _insert(
        self, at: int, second: int, low: float, high: float, block: tuple[int, int] | None = None
    ) -> None:
        """Insert a row before the entry `at`.

        `low` and `high`: the interval of the entry. `block`: the first member of its block, and the
        entry after the last member. The interval then counts for the whole block.
        """
        lows, highs = self._lows, self._highs
        start, stop = (at, at) if block is None else block
        if start < at:
            joined = 1
        else:
            joined = 0
            if start < stop:
                self._joined[at] = 1
        self._joined.insert(at, joined)
        self._seconds.insert(at, second)
        # A former interval of the block may still limit its rows. All rows of a block are equal.
        low_from = at if start == at < stop else at - 1
        high_from = at - 1 if start < at == stop else at
        lows.insert(at, lows[low_from] if low_from >= 0 else -inf)
        highs.insert(at, highs[high_from] if high_from < len(highs) else inf)
        last = bisect_left(lows, low, start)
        lows[start:last] = array("d", [low]) * (last - start)
        first = bisect_right(highs, high, 0, stop + 1)
        highs[first : stop + 1] = array("d", [high]) * (stop + 1 - first)
