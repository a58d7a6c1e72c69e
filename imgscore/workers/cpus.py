"""The CPUs of the machine, and a way to use all of them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield `work(item)` for each of the items, in their order.

    `work` runs in threads, which is faster only if it leaves Python's lock to others for most of
    its time. The caller's thread takes the items, at most `threads` + 1 of them in advance.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as executor:
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
