"""An ordered inbox in compact form, into which one more entry is inserted by bisection.

Pure. Applies the rules of a full plan (stable_order.py, spacing.py) to a single new entry.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from imgscore.order.spacing import STEP, space
from imgscore.order.stable_order import OrderItem

Packed = tuple[bytes, bytes, bytes]


class Timeline:
    """Entries in order, oldest first, in 24 bytes each, so that the idle daemon can store them.

    An entry that was deleted or moved may remain in it. Its date is then not given to another, and
    its score still limits its neighbours; nothing else goes wrong.
    """

    def __init__(self, seconds: "array[int]", lows: "array[float]", highs: "array[float]") -> None:
        self._seconds = seconds
        self._lows = lows
        """largest score - deviation up to each entry; no newer interval may lie below it"""
        self._highs = highs
        """smallest score + deviation from each entry on; no older interval may lie above it"""

    @classmethod
    def of(cls, seconds: Iterable[int], items: Sequence[OrderItem]) -> "Timeline":
        """Create a timeline from ordered items, oldest and lowest score first, and their dates."""
        lows = accumulate((item.score - item.deviation for item in items), max)
        highs = accumulate((item.score + item.deviation for item in reversed(items)), min)
        return cls(array("q", seconds), array("d", lows), array("d", highs)[::-1])

    @classmethod
    def unpacked(cls, packed: Packed) -> "Timeline":
        """Create a timeline from the result of `packed` on the same machine."""
        seconds, lows, highs = packed
        return cls(array("q", seconds), array("d", lows), array("d", highs))

    def packed(self) -> Packed:
        """Encode as bytes, for a message."""
        return self._seconds.tobytes(), self._lows.tobytes(), self._highs.tobytes()

    def __len__(self) -> int:
        return len(self._seconds)

    def insert(self, item: OrderItem, now: int) -> int | None:
        """Insert an entry; return its date in seconds: the present one if that is in order.

        Returns None, and changes nothing, if the gap has no room, or if the present date is in
        order but less than STEP from another's, which may be the entry itself: plan all then.
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
        """Return a score that is in order with all entries on either side, as in `wanted_order`."""
        return (self._lows[at] + self._highs[at]) / 2

    def _insert(self, at: int, second: int, low: float, high: float) -> None:
        lows, highs = self._lows, self._highs
        stop, start = bisect_left(lows, low, at), bisect_right(highs, high, 0, at)
        lows[at:stop] = array("d", [low]) * (stop - at)
        highs[start:at] = array("d", [high]) * (at - start)
        lows.insert(at, max(lows[at - 1], low) if at else low)
        highs.insert(at, min(highs[at], high) if at < len(highs) else high)
        self._seconds.insert(at, second)
