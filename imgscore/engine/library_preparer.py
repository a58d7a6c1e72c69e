"""The stage that prepares the first training while more labels may follow.

A training needs the features and the graph of the library. They depend on no label, and take two
seconds for 7,500 images. A training begins some seconds after the last new label. A worker uses
this time to compute them, and stores them in the cache.
"""

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.store import vectors
from imgscore.workers.library_messages import PrepareLibrary

# The smallest number of images of a library that is prepared. It is that of heads/library_cache.py,
# which is not imported here, because the idle daemon must not import numpy.
MIN_IMAGES = 1000
# The largest change of the number of images, as a share, with which the last preparation is still
# used. It is half of that of the cache, which compares the images themselves.
MAX_CHANGED = 0.025
# The number of seconds after which a library is prepared again. It is half of that of the cache.
MAX_SECONDS = 12 * 3600.0


class LibraryPreparer(Stage[PrepareLibrary]):
    """The stage that sends the task to prepare the library, and notes when it was sent last."""

    handles = (PrepareLibrary,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._labels_changed = False
        self._prepared = 0
        self._next = 0.0

    def receive(self, effects: Effects) -> None:
        """Prepare the library if labels have changed."""
        self._labels_changed |= bool(effects.relearn)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the present time if the library can be prepared now, else None."""
        return conditions.now if self._may_prepare(conditions) else None

    def _may_prepare(self, conditions: Conditions) -> bool:
        allowed = conditions.may_train and not conditions.paused
        return self._labels_changed and allowed and not self.ctx.pool.trainer_busy

    def advance(self, conditions: Conditions) -> None:
        """Send the task to the training worker, unless the library is prepared."""
        if not self._may_prepare(conditions):
            return
        with self.ctx.store.read() as txn:
            images = vectors.count(txn, self.ctx.embedder.image_embedder)
        changed = abs(images - self._prepared) > MAX_CHANGED * images
        is_due = images >= MIN_IMAGES and (changed or conditions.now >= self._next)
        if is_due and self.ctx.config.head != "mlp":
            if not self.ctx.pool.submit(PrepareLibrary()):
                return
            self._prepared, self._next = images, conditions.now + MAX_SECONDS
        self._labels_changed = False
