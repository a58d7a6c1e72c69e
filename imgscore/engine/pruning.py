"""The stage that deletes expired records and thumbnails once a day.

The deletion begins when no other work is pending. A worker deletes the thumbnails, and finds the
records that have expired. This stage then deletes the records, a small part in each step.
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
from imgscore.workers.messages import Answer, Interrupted
from imgscore.workers.prune_messages import Prune, Pruned

logger = logging.getLogger(__name__)

# The largest number of records of each kind that one commit deletes. Such a commit takes about 30
# milliseconds: 70 µs for an image in two groups of records, 10 µs for a touch.
PRUNE_BATCH = 500
# The largest size of all thumbnails on disk, in bytes. This is enough for about 100,000 thumbnails.
MAX_BYTES = 10**9


class Pruner(Stage[Prune]):
    """The stage that deletes expired records.

    It contains the records that still have to be deleted.
    """

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
        """Return the present time if expired records can be deleted now, else None.

        They are deleted only if no other work is pending.
        """
        may_advance = conditions.idle and not conditions.paused
        return conditions.now if may_advance and self._left is not None else None

    def advance(self, conditions: Conditions) -> None:
        """Delete some of the expired records that a worker has found.

        If no such record is left and a deletion is due, send the task to the training worker.
        """
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
        """Keep the worker's list of expired records.

        After an error, the next daily deletion tries again.
        """
        match answer:
            case Pruned(expired):
                self._left = expired if any(expired) else None
                # The answer has a limit. Another task finds the other records.
                self._due |= len(expired.sightings) == retention.MAX_AT_ONCE
                _log(expired)
            case Interrupted():
                self._due = True


def _log(expired: Expired) -> None:
    """Log which records are deleted."""
    touches, paths, trashed, images, _ = expired
    parts = [
        *([f"touches up to number {touches:,}"] if touches else []),
        *([counted(len(paths), "vanished file")] if paths else []),
        *([f"vectors and traits of {counted(len(images), 'image')}"] if images else []),
        *([counted(len(trashed), "file") + " from the trash"] if trashed else []),
    ]
    if parts:
        logger.info("pruned: %s", ", ".join(parts))
