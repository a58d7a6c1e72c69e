"""Hints are due when a file is stable; the queue serves keep and trash folders first."""

from imgscore.reconcile.debounce import Hints, IndexQueue
from imgscore.store.schema import Fingerprint

SECOND = 10**9


def seen(ctime: float, size: int = 1) -> Fingerprint:
    return Fingerprint(1, 1, size, int(ctime * SECOND), 0)


def test_hints_repeated_hint_is_due_after_the_last() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    hints.add(b"/x", 0.9)
    assert hints.next_due() == 1.9
    assert list(hints.ready(1.5, 0, lambda _: None)) == []
    assert list(hints.ready(1.9, 0, lambda _: None)) == [(b"/x", None)]
    assert len(hints) == 0


def test_hints_growing_file_is_ready_when_it_is_stable() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    assert list(hints.ready(1, 100 * SECOND, lambda _: seen(99.5))) == []
    assert list(hints.ready(2, 101 * SECOND, lambda _: seen(100.5, size=2))) == []
    still = seen(100.5, size=2)
    assert list(hints.ready(3, 102 * SECOND, lambda _: still)) == [(b"/x", still)]


def test_hints_with_a_clock_set_back_become_ready() -> None:
    hints = Hints(settle=1)
    hints.add(b"/x", 0)
    future = seen(5000)
    assert list(hints.ready(1, 0, lambda _: future)) == []
    assert list(hints.ready(2, SECOND, lambda _: future)) == [(b"/x", future)]


def test_index_queue_returns_the_most_urgent_path_first() -> None:
    queue = IndexQueue()
    queue.add(b"/a", "inbox")
    queue.add(b"/b", "teaches")
    queue.add(b"/b", "teaches")
    queue.add(b"/c", "asked")
    assert queue.waiting("teaches") == 1 and len(queue) == 3
    assert queue.take(2, "asked") == [b"/c"]
    assert queue.take(1, "asked") == [] and not queue.has("asked")
    assert queue.has("teaches") and queue.has()
    assert [queue.take(1, "teaches"), queue.take(1, "teaches")] == [[b"/b"], []]
    assert [queue.take(1), queue.take(1)] == [[b"/a"], []]


def test_index_queue_discard_keeps_only_what_a_client_has_asked_about() -> None:
    queue = IndexQueue()
    for urgency in ("asked", "teaches", "inbox", "again"):
        queue.add(b"/a", urgency)
    queue.discard(b"/a")
    queue.discard(b"/b")
    assert queue.take(9) == [b"/a"] and len(queue) == 0
