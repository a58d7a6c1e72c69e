"""The log lines about a run of indexing: one line every minute, and one line at the end."""

import logging
import os
import time
from collections.abc import Mapping

from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted, label_counts, of_taste, short_path
from imgscore.engine.tastes import missing_labels
from imgscore.store import counts

logger = logging.getLogger(__name__)

# Seconds between two log lines of a long run.
PROGRESS_SECONDS = 60.0


class IndexRun:
    """One run of indexing, with the numbers of images that were indexed and that failed.

    A run begins when the first file is sent to a worker. It ends when the indexer has no work left.
    """

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._indexed = self._failed = 0
        self._began: float | None = None
        self._last = self._logged = 0.0
        self._labels_before: dict[str, Mapping[float, int]] = {}

    def begin(self) -> None:
        """Begin a run if no run is in progress.

        Call this whenever files are sent to workers.
        """
        if self._began is None:
            self._began = self._logged = time.monotonic()
            self._labels_before = self._labels()

    def count(self, indexed: int, failed: int) -> None:
        """Count files. `failed`: the number of those that could not be indexed."""
        self._indexed += indexed
        self._failed += failed
        self._last = time.monotonic()

    def log_progress(self, now: float, pending: int) -> None:
        """Log the progress of a run once a minute. Log the result at the end of the run.

        `now`: the time in monotonic seconds. `pending`: the number of files and scans that are
        left.
        """
        if self._began is None:
            return
        if not pending:
            if self._indexed or self._failed:
                logger.info("%s%s%s", self._summary(), self._new_labels(), self._next_step())
            self._began, self._indexed, self._failed = None, 0, 0
        elif now - self._logged >= PROGRESS_SECONDS:
            self._logged = now
            logger.info("%s; %s to go", self._summary(), f"{pending:,}")

    def _summary(self) -> str:
        seconds = self._last - (self._began or 0.0)
        failed = f", {self._failed:,} not readable" if self._failed else ""
        return f"{counted(self._indexed, 'image')} indexed in {seconds:.1f} s{failed}"

    def _labels(self) -> dict[str, Mapping[float, int]]:
        """Return the number of labels of each grade, for each taste."""
        tastes = {watch.taste for watch in self.ctx.watches.all}
        with self.ctx.store.read() as txn:
            return {taste: counts.grades_of(txn, taste) for taste in sorted(tastes)}

    def _new_labels(self) -> str:
        """Return a log text with the numbers of keep, undecided and trash labels of each taste.

        Tastes whose labels have not changed during this run are left out. Return "" if no labels
        have changed.
        """
        return "".join(
            f"; labels{of_taste(taste)}: {label_counts(grades)}"
            for taste, grades in self._labels().items()
            if grades != self._labels_before.get(taste)
        )

    def _next_step(self) -> str:
        """Return a log text that says how many labels the tastes without a head still need.

        Return "" if no label is missing.
        """
        ordered = self.ctx.ordering_head
        watches = [watch for watch in self.ctx.watches.all if not ordered(watch.taste)]
        steps: list[str] = []
        with self.ctx.store.read() as txn:
            for watch in watches:
                folders = {"keep": watch.keep, "trash": watch.trash}
                for name, count in missing_labels(counts.grades_of(txn, watch.taste)).items():
                    folder = next(iter(folders[name]), os.fsencode(name))
                    steps.append(f"{counted(count, 'more file')} into {short_path(folder)}")
        return f"; move {' and '.join(steps)} to get an order" if steps else ""
