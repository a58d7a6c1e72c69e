"""The stage that restores the original dates of files that have left an inbox."""

import logging
from collections.abc import Iterator
from itertools import islice

from imgscore.engine import apply
from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted
from imgscore.engine.refusals import Refusals
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.store import originals
from imgscore.store.schema import FileAt
from imgscore.store.transaction import Txn
from imgscore.watches import Watches

logger = logging.getLogger(__name__)


class TimeRestorer(AnyStage):
    """The stage that restores the original dates of files in keep and trash folders."""

    def __init__(self, ctx: EngineContext, refusals: Refusals, txn: Txn) -> None:
        self.ctx = ctx
        self._refusals = refusals
        self._due = set(_left_over(txn, ctx.watches))

    def receive(self, effects: Effects) -> None:
        """Add the files that have left an inbox."""
        self._due |= effects.restore

    @property
    def pending(self) -> int:
        """The number of files whose date must be restored."""
        return len(self._due)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the present time if a date must be restored and there is no pause, else None."""
        return conditions.now if self._due and not conditions.paused else None

    def advance(self, conditions: Conditions) -> Effects | None:
        """Restore the dates of one batch of files."""
        if conditions.paused or not self._due:
            return None
        files = set(islice(self._due, apply.RESTORE_BATCH))
        effects = None if self.ctx.config.dry_run else self._restore(files)
        # Remove the files only after the commit. If the disk is full, they are tried again later.
        self._due -= files
        return effects

    def _restore(self, files: set[FileAt]) -> Effects:
        store, effects, restored = self.ctx.store, Effects(), 0
        with store.read() as txn:
            wanted = [
                file for file in files if originals.get(txn, file.digest, file.path) is not None
            ]
        wanted += apply.with_sidecars([file.path for file in wanted])
        for part in apply.restore_times(store, wanted):
            for touch, error in part:
                if error is None:
                    restored += 1
                else:
                    self._refusals.add(error)
                    effects.changed.add(touch.path)
        if restored:
            logger.info("the original dates of %s were restored", counted(restored, "file"))
        return effects


def _left_over(txn: Txn, watches: Watches) -> Iterator[FileAt]:
    """Yield the files in keep and trash folders whose original date was not restored.

    Such files exist if imgscore was stopped before it had restored all dates.
    """
    teaches: dict[bytes, bool] = {}
    for digest, original in originals.iter_present(txn):
        folder = original.path.rpartition(b"/")[0]
        if folder not in teaches:
            place = watches.locate(original.path)
            teaches[folder] = place is not None and place.role != "inbox"
        if teaches[folder] and not original.is_restored:
            yield FileAt(digest, original.path)
