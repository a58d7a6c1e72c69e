"""Finds the failed files that must be read again although the kernel reports no change."""

import heapq
from collections import OrderedDict

from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import failures
from imgscore.store.store import Store
from imgscore.watches import within
from imgscore.workers.messages import FileIndexed

MAX_RECHECKS = 1000
"""The largest number of unreadable files that one call compares with the disk. A thousand files
take about 20 ms."""


class Retries:
    """The files that must be read again later, and the files that could not be read at all.

    The end of the former files is missing. All times are in nanoseconds since 1970.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heap: list[tuple[int, bytes]] = []
        self._unread: OrderedDict[bytes, None] = OrderedDict()
        with store.read() as txn:
            for failure in failures.iter_all(txn):
                if failure.retry_ns:
                    self._heap.append((failure.retry_ns, failure.path))
                if not failure.digest:
                    self._unread[failure.path] = None
        heapq.heapify(self._heap)

    def add_unread(self, path: bytes) -> None:
        """Add a file that could not be read, for example because its permissions forbid it."""
        self._unread[path] = None

    @property
    def has_unread(self) -> bool:
        """Whether `changed_unread` has to be called again."""
        return bool(self._unread)

    def unread_in(self, root: bytes) -> list[bytes]:
        """Return the files under the folder `root` that could not be read at all."""
        return [path for path in self._unread if within(path, root)]

    def changed_unread(self) -> list[bytes]:
        """Return the unread files that have changed since they failed.

        A changed permission causes no event that the watcher uses. At most MAX_RECHECKS files are
        compared. The next call continues with the other files.
        """
        changed: list[bytes] = []
        with self._store.read() as txn:
            for _ in range(min(MAX_RECHECKS, len(self._unread))):
                path, _ = self._unread.popitem(last=False)
                failure = failures.find(txn, path)
                if failure is None or failure.digest:
                    continue  # The file has been read, or is gone.
                self._unread[path] = None
                if failure.seen != (fingerprint_of(path) or failure.seen):
                    changed.append(path)
        return changed

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
