"""Work in threads gives the results in the order of the items."""

import threading
import time
from collections.abc import Iterator

import pytest

from imgscore.workers.cpus import in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_in_threads_slow_first_item_keeps_the_order(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.02 if number % 5 == 0 else 0)
        return number * 2

    assert list(in_threads(work, range(23), threads)) == [number * 2 for number in range(23)]


def test_in_threads_takes_few_items_in_advance() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_threads(lambda number: number, items(), 3)
    for number in range(5):
        assert next(results) == number
        assert len(taken) <= number + 4


def test_in_threads_uses_several_threads_at_a_time() -> None:
    meeting = threading.Barrier(2, timeout=30)
    list(in_threads(lambda _: meeting.wait(), range(4), 2))  # one thread alone would wait for ever


def test_in_threads_error_in_an_item_is_raised() -> None:
    results = in_threads(lambda number: 1 // number, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
