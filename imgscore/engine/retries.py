"""Keeps the times at which files must be read again although they have not changed."""

import heapq

from imgscore.store import failures
from imgscore.store.store import Store
from imgscore.workers.messages import FileIndexed


class Retries:
    """The files that must be read again later, for example because their end is missing.

    All times are in nanoseconds since 1970.
    """

    def __init__(self, store: Store) -> None:
        with store.read() as txn:
            found = failures.iter_all(txn)
            self._heap = [(failure.retry_ns, failure.path) for failure in found if failure.retry_ns]
        heapq.heapify(self._heap)

    def add(self, path: bytes, answer: FileIndexed) -> None:
        """Add a file if the answer of the worker says that the file must be read again."""
        if answer.failure is not None and answer.failure.retry_ns:
            heapq.heappush(self._heap, (answer.failure.retry_ns, path))

    def take(self, now_ns: int) -> list[bytes]:
        """Remove and return the paths of the files that must be read again now."""
        due: list[bytes] = []
        while self._heap and self._heap[0][0] <= now_ns:
            due.append(heapq.heappop(self._heap)[1])
        return due

    def seconds_left(self, now_ns: int) -> float | None:
        """Return the seconds until the next file is due, or None if there is no file."""
        return (self._heap[0][0] - now_ns) / 1e9 if self._heap else None
