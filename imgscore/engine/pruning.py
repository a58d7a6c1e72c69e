"""Once a day, when nothing else is to be done: what has had its time is dropped.

A worker finds it, and thins out the thumbnails; the store's part is forgotten here, in small parts.
"""

import os
import time

from imgscore import paths
from imgscore.engine.context import EngineContext
from imgscore.store import retention
from imgscore.store.retention import Expired
from imgscore.workers.messages import Answer, Interrupted, Prune, Pruned

# Records forgotten by one commit: some ten milliseconds.
PRUNE_BATCH = 1000
# Thumbnails on the disk: about a hundred thousand.
MAX_BYTES = 10**9


class Pruner:
    """Knows what is still to be dropped."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._left: Expired | None = None

    def due(self) -> None:
        """It is time to tidy up."""
        self._due = True

    def next_time(self, now: float) -> float | None:
        """When `advance` has something to do; None while it has not, or only a worker has."""
        return now if self._left is not None else None

    def advance(self) -> None:
        """Drop a slice, or ask what is to be dropped."""
        found, now_ns = self._left, time.time_ns()
        if found is not None:
            left = self.ctx.store.commit(
                lambda txn: retention.forget(txn, found, now_ns, PRUNE_BATCH)
            )
            self._left = left if any(left) else None
        elif self._due and not self.ctx.pool.trainer_busy:
            thumbnails = os.fsencode(paths.report_folder() / "thumbnails")
            self._due = not self.ctx.pool.submit(Prune(thumbnails, MAX_BYTES))

    def take(self, answer: Answer) -> None:
        """What a worker found. What went wrong is tried again tomorrow."""
        match answer:
            case Pruned(touches, sightings, trashed):
                found = Expired(touches, sightings, trashed)
                self._left = found if any(found) else None
            case Interrupted():
                self._due = True  # it had not begun
