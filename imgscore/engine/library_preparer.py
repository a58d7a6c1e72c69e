"""The stage that prepares trainings and scores while the user looks at images.

A training needs the features and the graph of the library, and a scoring needs the unit row of each
image. They depend on no label, and take 2 s and 4 s for 100,000 images. A worker computes them when
a scan has ended, or in the seconds between the last new label and the training, and stores them in
the cache.
"""

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.store import vectors
from imgscore.workers.library_messages import (
    LibraryPrepared,
    PrepareLibrary,
    PrepareRows,
    RowsPrepared,
)
from imgscore.workers.messages import Answer

# The smallest number of images of a library that is prepared. It is that of heads/library_cache.py,
# which is not imported here, because the idle daemon must not import numpy.
MIN_IMAGES = 1000
# The largest change of the number of images, as a share, with which the last preparation is still
# used. It is half of that of the cache, which compares the images themselves.
MAX_CHANGED = 0.025
# The number of seconds after which a library is prepared again, if labels change. It is half of
# that of the cache.
MAX_SECONDS = 12 * 3600.0
# Without a new label, a library is prepared when the number of its images has not changed for this
# number of seconds. While a camera or a download adds images, each part of them would change the
# library, so that all rows would be computed again.
QUIET_SECONDS = 20.0


class LibraryPreparer(Stage[PrepareLibrary | PrepareRows]):
    """The stage that sends the tasks to prepare the library, and notes when they were sent last."""

    handles = (PrepareLibrary, PrepareRows)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._labels_changed = False
        self._next = 0.0
        has_head = any(ctx.head(watch.taste) for watch in ctx.watches.all)
        # A scoring has stored the rows. Before the first one, a worker checks what the cache lacks.
        self._prepared = self._images = self._count() if has_head else 0
        """the numbers of images when the library was prepared, and at the last call of `advance`"""
        self._grown_at = 0.0
        """the time of the last change of the number of images, in monotonic seconds"""
        self._lacks_rows = False
        """whether the library is prepared, and images may lack their rows"""

    def _count(self) -> int:
        with self.ctx.store.read() as txn:
            return vectors.count(txn, self.ctx.embedder.image_embedder)

    def receive(self, effects: Effects) -> None:
        """Prepare the library if labels have changed."""
        self._labels_changed |= bool(effects.relearn)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the library or the rows can be prepared, or None."""
        if not self._may_prepare(conditions):
            return None
        if self._labels_changed:
            return conditions.now
        if conditions.indexing or not conditions.reconciled:
            return None
        if self._lacks_rows:
            return conditions.now
        return max(conditions.now, self._quiet_at) if self._has_changed else None

    def _may_prepare(self, conditions: Conditions) -> bool:
        allowed = conditions.may_train and not conditions.paused
        return allowed and self.ctx.config.head != "mlp" and not self.ctx.pool.trainer_busy

    @property
    def _has_changed(self) -> bool:
        """Whether too many images came or went since the library was prepared."""
        changed = abs(self._images - self._prepared)
        return self._images >= MIN_IMAGES and changed > MAX_CHANGED * self._images

    @property
    def _quiet_at(self) -> float:
        return self._grown_at + QUIET_SECONDS

    def advance(self, conditions: Conditions) -> None:
        """Send the next task to a worker, unless everything is prepared."""
        images = self._count()
        if images != self._images:
            self._images, self._grown_at = images, conditions.now
        due = self.next_time(conditions)
        if due is None or due > conditions.now:
            return
        if self._labels_changed or not self._lacks_rows:
            self._prepare_library(conditions)
        elif self.ctx.pool.submit(PrepareRows()):
            self._lacks_rows = False  # The answer says whether there are more.

    def _prepare_library(self, conditions: Conditions) -> None:
        is_old = conditions.now >= self._next
        if self._images >= MIN_IMAGES and (self._has_changed or is_old):
            if not self.ctx.pool.submit(PrepareLibrary()):
                return
            self._prepared, self._next = self._images, conditions.now + MAX_SECONDS
        self._labels_changed = False

    def take(self, task: PrepareLibrary | PrepareRows, answer: Answer) -> None:
        """Prepare rows next, if there are any. After a failure, the scoring computes them."""
        match answer:
            case LibraryPrepared():
                self._lacks_rows = True
            case RowsPrepared(more):
                self._lacks_rows = more
