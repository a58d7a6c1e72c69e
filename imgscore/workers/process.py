"""One worker process as its parent sees it: its start, and the tasks that it has."""

import contextlib
import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from imgscore.errors import StoreError
from imgscore.workers.messages import FileTask, Task, frame

QUEUE_DEPTH = 2
"""Files that a worker has at a time: the next one waits there while it works on the first."""
MAX_BYTES = 3 * 2**30
"""Bytes of memory that a worker may take. A WebP of 100 megapixels takes 1.7 GB of them."""
LOW_MEMORY_BYTES = 3 * 2**27
"""Bytes that an image may take in all workers but one; those return larger images to the pool,
which sends them to that one. With 2 workers and 16 images of 100 megapixels among 160 small ones,
the small ones were done after 5 s instead of 29 s as PNG (WebP: 8 of 66 s), and both workers
together took 0.6 GB instead of 1.0 GB (WebP: 1.7 instead of 2.8 GB)."""


class NoWorkerError(StoreError):
    """The machine has no process, memory or descriptor left now. It may have one later."""


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of every worker of a pool."""

    store: Path
    heads: Path
    model: str
    device: str
    file_seconds: int
    embedder: str | None = None
    """the id that the model must have; None for any"""
    use_filename: bool = False


@dataclass(eq=False)
class Worker:
    """A process, and the tasks sent to it that have no answer yet, in order."""

    process: "subprocess.Popen[bytes]"
    for_training: bool
    low_memory: bool
    ready: bool = False
    tasks: deque[Task] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    idle_since: float = 0.0
    """seconds of the monotonic clock"""

    def send(self, task: Task) -> None:
        """Send it a task."""
        self.tasks.append(task)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, and its output ends
            self.process.stdin.write(frame(task))
            self.process.stdin.flush()

    def is_free(self, task: Task) -> bool:
        """Whether it takes a task now."""
        if self.for_training or not isinstance(task, FileTask):
            return not self.tasks
        return len(self.tasks) < QUEUE_DEPTH


def start(settings: WorkerSettings, *, for_training: bool, low_memory: bool) -> Worker:
    """Start a worker. Raises NoWorkerError."""
    # OpenBLAS's threads wait by spinning: on a busy CPU a training took 20 times as long.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if not for_training:
        # One worker for each CPU, with one thread each: decoding and inference overlap.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
    arguments = [
        os.fspath(settings.store),
        os.fspath(settings.heads),
        settings.model,
        settings.device,
        str(settings.file_seconds),
        "0" if for_training else str(MAX_BYTES),
        settings.embedder or "",
        "names" if settings.use_filename else "",
        str(LOW_MEMORY_BYTES if low_memory else 0),
    ]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "imgscore.workers.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            process_group=0,  # Ctrl-C reaches the parent only; a worker ends with its input
        )
    except OSError as error:
        raise NoWorkerError(
            f"no worker can be started: {error.strerror}", "end other programs, or raise limits"
        ) from None
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return Worker(process, for_training, low_memory)
