"""The timeline: an ordered inbox in compact form, into which one more entry can be inserted.

The module reads no files and no clock. It applies the rules of a full plan (stable_order.py,
spacing.py) to a single new entry.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from imgscore.order.spacing import STEP, space
from imgscore.order.stable_order import OrderItem

Packed = tuple[bytes, bytes, bytes]


class Timeline:
    """The entries of an inbox in order, oldest first.

    Each entry takes 24 bytes, so the idle daemon can keep the timeline in memory. If the file of an
    entry is deleted or moved, the entry may remain in the timeline. Such an entry has only two
    effects: no new entry gets its date, and its score still limits the positions of new entries.
    """

    def __init__(self, seconds: "array[int]", lows: "array[float]", highs: "array[float]") -> None:
        self._seconds = seconds
        self._lows = lows
        """For each entry, the largest score - deviation of this entry and all older entries.

        No newer entry may have an interval that is completely below this value.
        """
        self._highs = highs
        """For each entry, the smallest score + deviation of this entry and all newer entries.

        No older entry may have an interval that is completely above this value.
        """

    @classmethod
    def of(cls, seconds: Iterable[int], items: Sequence[OrderItem]) -> "Timeline":
        """Create a timeline.

        `items`: the entries in order, oldest first. `seconds`: the date of each entry.
        """
        lows = accumulate((item.score - item.deviation for item in items), max)
        highs = accumulate((item.score + item.deviation for item in reversed(items)), min)
        return cls(array("q", seconds), array("d", lows), array("d", highs)[::-1])

    @classmethod
    def unpacked(cls, packed: Packed) -> "Timeline":
        """Create a timeline from bytes that `packed` returned on this machine."""
        seconds, lows, highs = packed
        return cls(array("q", seconds), array("d", lows), array("d", highs))

    def packed(self) -> Packed:
        """Return the timeline encoded as bytes, for a message."""
        return self._seconds.tobytes(), self._lows.tobytes(), self._highs.tobytes()

    def __len__(self) -> int:
        return len(self._seconds)

    def insert(self, item: OrderItem, now: int) -> int | None:
        """Insert an entry and return its date in seconds.

        If the present date of the entry is already in order, the entry keeps this date. Otherwise
        the function chooses a new date between the dates of the neighbours.

        The function returns None and changes nothing in two cases. In the first case, there is no
        room for a new date between the neighbours. In the second case, the present date is in
        order, but it is less than STEP from another date in the timeline. That date may be an older
        date of this entry. If the result is None, the caller must plan the whole inbox again.
        """
        low, high = item.score - item.deviation, item.score + item.deviation
        at = bisect_left(self._seconds, item.second)
        first, last = bisect_left(self._highs, low), bisect_right(self._lows, high)
        if item.keepable and first <= at <= last:
            beside = self._seconds[max(0, at - 1) : at + 1]
            if any(abs(item.second - second) < STEP for second in beside):
                return None
            self._insert(at, item.second, low, high)
            return item.second
        at = bisect_right(range(len(self)), item.score, key=self._middle)
        before, after = self._seconds[max(0, at - 1) : at], self._seconds[at : at + 1]
        dates = space([*before, None, *after], now)
        date = dates[len(before)]
        if dates != [*before, date, *after]:
            return None
        self._insert(at, date, low, high)
        return date

    def _middle(self, at: int) -> float:
        """Return a score for the position `at`. An entry with this score can be inserted there.

        The insertion respects the interval order. `wanted_order` computes such values as well.
        """
        return (self._lows[at] + self._highs[at]) / 2

    def _insert(self, at: int, second: int, low: float, high: float) -> None:
        lows, highs = self._lows, self._highs
        stop, start = bisect_left(lows, low, at), bisect_right(highs, high, 0, at)
        lows[at:stop] = array("d", [low]) * (stop - at)
        highs[start:at] = array("d", [high]) * (at - start)
        lows.insert(at, max(lows[at - 1], low) if at else low)
        highs.insert(at, min(highs[at], high) if at < len(highs) else high)
        self._seconds.insert(at, second)
