"""The answers of workers that are not in the store yet, and their commits.

A commit waits for the disk, for 10 to 150 ms. While many files wait for workers, a thread writes
the commit, and this thread goes on to send files to the workers.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Set

from imgscore.engine import ingest
from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Effects
from imgscore.images.version import DECODER_VERSION
from imgscore.store.schema import Fingerprint
from imgscore.store.store import MapFullError
from imgscore.store.transaction import Txn
from imgscore.workers.messages import FileIndexed, IndexFile
from imgscore.workers.pool import NoWorkerError

# The largest number of files of a commit, which waits for the disk; seconds until a smaller one.
BATCH, BATCH_SECONDS = 1024, 0.5
# The time in which answers of workers gather during a commit, in seconds; see `feed`.
COLLECT_SECONDS = 0.015
# The time for which one thread may keep the other one from running, in seconds, during a commit.
# With Python's 5 ms, each file that is sent to a worker would wait for so long.
SWITCH_SECONDS = 0.0002


class IndexResults:
    """The answers that the next commit stores."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._results: list[tuple[IndexFile, FileIndexed]] = []
        self._seen: dict[bytes, Fingerprint] = {}
        """the fingerprint with which a worker read each file in `_results`, by path"""
        self._since = 0.0
        """the time at which the first answer arrived, in monotonic seconds"""

    def __len__(self) -> int:
        return len(self._results)

    def add(self, task: IndexFile, answer: FileIndexed) -> None:
        """Keep an answer for the next commit."""
        if not self._results:
            self._since = time.monotonic()
        self._results.append((task, answer))
        self._seen[task.path] = answer.seen

    def __contains__(self, path: bytes) -> bool:
        """Return whether the next commit stores an answer about the file at `path`."""
        return path in self._seen

    def has_read(self, path: bytes, seen: Fingerprint) -> bool:
        """Return whether the next commit stores this version of the file at `path`."""
        return self._seen.get(path) == seen

    def due_at(self, now: float, *, more: bool) -> float | None:
        """Return the time of the next commit. None means that there is nothing to store.

        `more`: whether workers are processing further files.
        """
        if not self._results:
            return None
        return self._since + BATCH_SECONDS if more and len(self._results) < BATCH else now

    def commit(self, meanwhile: Callable[[], None] | None) -> tuple[Set[bytes], Effects]:
        """Store all answers. Return the paths of the files, and the effects on other stages.

        `meanwhile`: a function that sends files to workers, and reads nothing but the store. It is
        called once, and then again until the disk has the commit. None: nothing can be done
        meanwhile.
        """
        batch, seen = self._results, self._seen
        ctx = self.ctx

        def work(txn: Txn) -> Effects:
            embedder = ctx.embedder.image_embedder
            return ingest.ingest_batch(txn, batch, ctx.watches, embedder, DECODER_VERSION)

        if meanwhile is None:
            effects = ctx.store.commit(work)
        else:
            effects = self._commit_in_thread(work, meanwhile)
        self._results, self._seen = [], {}
        ctx.changed()
        return seen.keys(), effects

    def _commit_in_thread(
        self, work: Callable[[Txn], Effects], meanwhile: Callable[[], None]
    ) -> Effects:
        effects: list[Effects] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                effects.append(self.ctx.store.commit(work, grow=False))
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                errors.append(error)

        thread = threading.Thread(target=run, name="commit")
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        thread.start()
        try:
            # If no worker can be started, the indexer will report the error after the commit.
            with contextlib.suppress(NoWorkerError):
                is_done = False
                while not is_done:
                    meanwhile()
                    thread.join(COLLECT_SECONDS)
                    self.ctx.pool.collect(0.0)
                    is_done = not thread.is_alive()
        finally:
            thread.join()
            sys.setswitchinterval(interval)
        if errors and isinstance(errors[0], MapFullError):
            # The map may grow only while this process has no transaction, so not in the thread.
            return self.ctx.store.commit(work)
        if errors:
            raise errors[0]
        return effects[0]
