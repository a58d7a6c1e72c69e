"""An inbox in order, as far as one more entry needs it: where it goes is found by bisection.

Pure. The rules are a whole plan's (agreement.py, spacing.py), for the case of one newcomer.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from imgscore.order.spacing import STEP, space
from imgscore.order.stable_order import OrderItem

Packed = tuple[bytes, bytes, bytes]


class Timeline:
    """Entries in order, oldest first: 24 bytes each, so that the idle daemon can hold them.

    One that has left, or stands elsewhere by now, may stay in it: where it stood is then not given
    to another, and its score bounds what may stand beside it; no other harm is done.
    """

    def __init__(self, seconds: "array[int]", lows: "array[float]", highs: "array[float]") -> None:
        self._seconds = seconds
        self._lows = lows
        """the largest score - deviation up to here, which none that is newer may lie below"""
        self._highs = highs
        """the least score + deviation from here on, which none that is older may lie above"""

    @classmethod
    def of(cls, seconds: Iterable[int], items: Sequence[OrderItem]) -> "Timeline":
        """Of entries in order, and when each is dated; the newest scores highest."""
        lows = accumulate((one.score - one.deviation for one in items), max)
        highs = accumulate((one.score + one.deviation for one in reversed(items)), min)
        return cls(array("q", seconds), array("d", lows), array("d", highs)[::-1])

    @classmethod
    def unpacked(cls, packed: Packed) -> "Timeline":
        """From what `packed` gave, on the same machine."""
        seconds, lows, highs = packed
        return cls(array("q", seconds), array("d", lows), array("d", highs))

    def packed(self) -> Packed:
        """As bytes, to be sent."""
        return self._seconds.tobytes(), self._lows.tobytes(), self._highs.tobytes()

    def __len__(self) -> int:
        return len(self._seconds)

    def take(self, item: OrderItem, now: int) -> int | None:
        """Let an entry in, and return the second it is to carry: its own, where that is right.

        None, and nothing has changed, where the gap has no room, or where its date is right but
        for one at that very date, which may be the entry itself: that is for a whole plan.
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
        """A score that agrees with everything on either side, as in `wanted_order`."""
        return (self._lows[at] + self._highs[at]) / 2

    def _insert(self, at: int, second: int, low: float, high: float) -> None:
        lows, highs = self._lows, self._highs
        stop, start = bisect_left(lows, low, at), bisect_right(highs, high, 0, at)
        lows[at:stop] = array("d", [low]) * (stop - at)
        highs[start:at] = array("d", [high]) * (at - start)
        lows.insert(at, max(lows[at - 1], low) if at else low)
        highs.insert(at, min(highs[at], high) if at < len(highs) else high)
        self._seconds.insert(at, second)
