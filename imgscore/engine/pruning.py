"""Once a day, when nothing else is pending: delete what is past its retention.

A worker deletes thumbnails and finds what the store may forget; that is forgotten here, in small
parts.
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

# Records forgotten by one commit: some ten milliseconds.
PRUNE_BATCH = 1000
# Bytes of thumbnails on disk: about a hundred thousand of them.
MAX_BYTES = 10**9


class Pruner(Stage[Prune]):
    """The records that are still to be forgotten."""

    handles = (Prune,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._left: Expired | None = None

    def due(self) -> None:
        """Prune when nothing else is pending."""
        self._due = True

    @property
    def finished(self) -> bool:
        """Whether nothing is due, nor left to be forgotten."""
        return not self._due and self._left is None

    def next_time(self, conditions: Conditions) -> float | None:
        """Now, while records are left to be forgotten."""
        may_advance = conditions.idle and not conditions.paused
        return conditions.now if may_advance and self._left is not None else None

    def advance(self, conditions: Conditions) -> None:
        """Forget some records, or have a worker find records that are past their retention."""
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
        """Take the records to forget. After an error, try again tomorrow."""
        match answer:
            case Pruned(touches, sightings, trashed):
                expired = Expired(touches, sightings, trashed)
                self._left = expired if any(expired) else None
                self._log(touches, len(sightings), len(trashed))
            case Interrupted():
                self._due = True

    def _log(self, touches: int, sightings: int, trashed: int) -> None:
        """Log how many records are forgotten. `touches`: the number of the last."""
        parts = [
            *([f"touches up to number {touches:,}"] if touches else []),
            *([counted(sightings, "vanished file")] if sightings else []),
            *([counted(trashed, "file") + " from the trash"] if trashed else []),
        ]
        if parts:
            logger.info("pruned: %s", ", ".join(parts))
