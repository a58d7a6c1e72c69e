"""Share file tasks among the workers of a pool, so that all have about equally many."""

from collections import deque
from collections.abc import Sequence

from imgscore.workers.messages import IndexFile
from imgscore.workers.process import Worker


def send_all(workers: Sequence[Worker], tasks: deque[IndexFile]) -> None:
    """Send tasks to the workers that have room, and remove them from `tasks`.

    `workers`: sorted by the number of their tasks. Each worker gets its tasks in one write.
    """
    for worker, count in zip(workers, _shares(workers, len(tasks)), strict=True):
        if count:
            worker.send(*(tasks[at] for at in range(count)))
            for _ in range(count):
                tasks.popleft()


def _shares(workers: Sequence[Worker], count: int) -> list[int]:
    """Return how many of `count` tasks each worker gets. The others wait for room."""
    had = [len(worker.tasks) for worker in workers]
    depths = [worker.depth for worker in workers]
    shares = [0] * len(workers)
    for level in range(min(had, default=0), max(depths, default=0)):
        for at, depth in enumerate(depths):
            if not count:
                return shares
            if had[at] + shares[at] <= level < depth:
                shares[at] += 1
                count -= 1
    return shares
