"""Hints wait until a file holds still, and what teaches goes first."""

from imgscore.reconcile.debounce import Hints, IndexQueue
from imgscore.store.schema import Fingerprint

SECOND = 10**9


def seen(ctime: float, size: int = 1) -> Fingerprint:
    return Fingerprint(1, 1, size, int(ctime * SECOND), 0)


def test_the_last_hint_counts() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    hints.add(b"/x", 0.9)
    assert hints.next_due() == 1.9
    assert list(hints.ready(1.5, 0, lambda _: None)) == []
    assert list(hints.ready(1.9, 0, lambda _: None)) == [(b"/x", None)]
    assert len(hints) == 0


def test_a_growing_file_is_left_alone_until_it_holds_still() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    assert list(hints.ready(1, 100 * SECOND, lambda _: seen(99.5))) == []
    assert list(hints.ready(2, 101 * SECOND, lambda _: seen(100.5, size=2))) == []
    still = seen(100.5, size=2)
    assert list(hints.ready(3, 102 * SECOND, lambda _: still)) == [(b"/x", still)]


def test_a_clock_that_was_set_back_does_not_hold_a_file_for_ever() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    future = seen(5000)
    assert list(hints.ready(1, 0, lambda _: future)) == []
    assert list(hints.ready(2, SECOND, lambda _: future)) == [(b"/x", future)]


def test_the_urgent_goes_first() -> None:
    queue = IndexQueue()
    queue.add(b"/a", "inbox")
    queue.add(b"/b", "teaches")
    queue.add(b"/b", "teaches")
    queue.add(b"/c", "asked")
    assert queue.waiting("teaches") == 1 and len(queue) == 3
    assert queue.take("asked") == b"/c"
    assert queue.take("asked") is None and not queue.has("asked")
    assert queue.has("teaches") and queue.has()
    assert [queue.take("teaches"), queue.take("teaches")] == [b"/b", None]
    assert [queue.take(), queue.take()] == [b"/a", None]
