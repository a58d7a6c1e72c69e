"""Choose the tasks with which workers score the files of a taste, and prepare its next order."""

from contextlib import suppress

from imgscore.engine.context import EngineContext
from imgscore.engine.refusals import Refusals
from imgscore.errors import ImgscoreError
from imgscore.store.transaction import Txn
from imgscore.store.unscored import all_are_scored, unscored
from imgscore.watches import Watch
from imgscore.workers.cpus import cpus
from imgscore.workers.messages import Rescore
from imgscore.workers.order_messages import PrepareOrder

# If the store has more sightings than this number, a worker lists the files without a score, and a
# second worker loads the files of the inboxes during a training. The daemon lists 5,000 files in
# 15 ms.
LARGE_LIBRARY = 5_000


def prepare(ctx: EngineContext, taste: str, refusals: Refusals) -> bool:
    """Let a second worker load what the order after a training needs.

    Return False if this worker is busy; the caller must then try again. An error is ignored,
    because the worker can also load the files after the training.
    """
    if ctx.config.head == "mlp" or cpus() == 1:
        return True  # An MLP is trained for minutes, and a single CPU is busy with the training.
    with ctx.store.read() as txn:
        if not _is_large(txn):
            return True
    with suppress(ImgscoreError):
        return ctx.pool.submit(PrepareOrder(_watches(ctx, taste), list(refusals.current())))
    return True


def rescore_task(ctx: EngineContext, taste: str, head: str) -> Rescore | None:
    """Return the task to score a taste's files without a score; None if there are none.

    In a large library, the worker lists them, so that the daemon can answer clients meanwhile.
    """
    inboxes = [watch.inbox for watch in _watches(ctx, taste)]
    with ctx.store.read() as txn:
        if all_are_scored(txn, inboxes, taste, head):
            return None
        if _is_large(txn):
            return Rescore(taste, head, inboxes=inboxes)
        digests = unscored(txn, ctx.embedder.image_embedder, inboxes, taste, head)
    return Rescore(taste, head, digests) if digests else None


def _watches(ctx: EngineContext, taste: str) -> list[Watch]:
    return [watch for watch in ctx.watches.all if watch.taste == taste]


def _is_large(txn: Txn) -> bool:
    return len(txn.table("sightings")) > LARGE_LIBRARY
