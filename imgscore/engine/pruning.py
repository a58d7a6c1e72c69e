"""The daily deletion of records and thumbnails that have expired.

It waits until no work is pending.

A worker deletes thumbnails and finds the store's expired records. This module then deletes these
records, a small part in each step.
"""

import logging
import os
import time

from imgscore import paths
from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted
from imgscore.engine.stage import Conditions, Stage
from imgscore.store import retention
from imgscore.store.retention import Expired
from imgscore.workers.messages import Answer, Interrupted, Prune, Pruned

logger = logging.getLogger(__name__)

# The number of records that one commit deletes. Such a commit takes some ten milliseconds.
PRUNE_BATCH = 1000
# The largest number of bytes of thumbnails on disk. This is enough for about 100,000 thumbnails.
MAX_BYTES = 10**9


class Pruner(Stage[Prune]):
    """The records that still have to be deleted."""

    handles = (Prune,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._left: Expired | None = None

    def due(self) -> None:
        """Schedule the deletion. It begins when no other work is pending."""
        self._due = True

    @property
    def finished(self) -> bool:
        """Return whether no deletion is due and no expired record is left."""
        return not self._due and self._left is None

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the present time while expired records are left and no other work is pending.

        Otherwise return None.
        """
        may_advance = conditions.idle and not conditions.paused
        return conditions.now if may_advance and self._left is not None else None

    def advance(self, conditions: Conditions) -> None:
        """Delete some expired records, or let a worker find the records that have expired."""
        if conditions.paused or not conditions.idle:
            return
        expired, now_ns = self._left, time.time_ns()
        if expired is not None:
            left = self.ctx.store.commit(
                lambda txn: retention.forget(txn, expired, now_ns, PRUNE_BATCH)
            )
            self._left = left if any(left) else None
        elif self._due and not self.ctx.pool.trainer_busy:
            thumbnails = os.fsencode(paths.report_folder() / "thumbnails")
            self._due = not self.ctx.pool.submit(Prune(thumbnails, MAX_BYTES))

    def take(self, task: Prune, answer: Answer) -> None:
        """Keep the list of expired records. After an error, try again tomorrow."""
        match answer:
            case Pruned(touches, sightings, trashed):
                expired = Expired(touches, sightings, trashed)
                self._left = expired if any(expired) else None
                self._log(touches, len(sightings), len(trashed))
            case Interrupted():
                self._due = True

    def _log(self, touches: int, sightings: int, trashed: int) -> None:
        """Log how many records are deleted. `touches`: the number of the last expired touch."""
        parts = [
            *([f"touches up to number {touches:,}"] if touches else []),
            *([counted(sightings, "vanished file")] if sightings else []),
            *([counted(trashed, "file") + " from the trash"] if trashed else []),
        ]
        if parts:
            logger.info("pruned: %s", ", ".join(parts))
