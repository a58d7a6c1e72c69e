"""Keep many workers busy while many files wait: send files, and take answers, many at a time."""

import time
from collections.abc import Callable, Iterable

from imgscore.engine.context import EngineContext
from imgscore.engine.indexer import Indexer
from imgscore.engine.stage import Conditions
from imgscore.system.descriptors import wait_readable
from imgscore.workers.messages import Answer, Task

# The time between two passes of all stages while many files wait for workers, in seconds. A pass
# takes about a millisecond; with 16 workers, it would follow nearly each of 1,000 answers a second.
# With half of this time, the main process needed 3 % more CPU time (median of three pairs of runs).
FEED_SECONDS = 0.1
# The time in which answers gather before they are read, in seconds. A worker has work for longer
# (`process.QUEUE_SECONDS`). Waiting for each answer costs more CPU time than processing it.
GATHER_SECONDS = 0.015


def feed_workers(
    ctx: EngineContext,
    indexer: Indexer,
    conditions: Conditions,
    take: Callable[[Iterable[tuple[Task, Answer]]], None],
    wake: int | None,
) -> None:
    """While many files wait, send files to workers and take answers, and do nothing else.

    `take`: processes answers. `wake`: a descriptor that becomes readable if a client waits. Then,
    or after FEED_SECONDS, all stages get their turn.
    """
    if ctx.problems.retry_at(indexer):
        return
    until = time.monotonic() + FEED_SECONDS
    while indexer.has_backlog(conditions) and (left := until - time.monotonic()) > 0:
        with ctx.problems.errors_of(indexer):
            indexer.hand_out(conditions)
        if wait_readable(wake, min(left, GATHER_SECONDS)):
            return
        take(ctx.pool.answers(0.0))
