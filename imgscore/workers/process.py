"""Start a worker process, and send tasks to it.

This module runs in the parent process.
"""

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
"""The largest number of file tasks that one worker has at a time. While the worker does the first
task, the second task already waits in its stdin."""
MAX_BYTES = 3 * 2**30
"""The largest number of bytes of memory that a worker may use. A WebP image of 100 megapixels uses
1.7 GB."""
LOW_MEMORY_BYTES = 3 * 2**27
"""The largest number of bytes that an image may use in a low-memory worker.

All file workers except one are low-memory workers. If an image needs more memory, the pool sends it
to the remaining worker. With this limit, small images are ready sooner, and the workers use less
memory. We measured 2 workers with 160 small images and 16 images of 100 megapixels. The small PNG
images were ready after 5 s with this limit, and after 29 s without it (WebP: 8 s and 66 s). The two
workers together used 0.6 GB with the limit, and 1.0 GB without it (WebP: 1.7 GB and 2.8 GB)."""


class NoWorkerError(StoreError):
    """The error that is raised if no worker can be started at present.

    The cause is a lack of memory, processes or file descriptors. A later start may succeed.
    """


@dataclass(frozen=True)
class WorkerSettings:
    """The settings that all workers of a pool share."""

    store: Path
    heads: Path
    model: str
    device: str
    file_seconds: int
    embedder: str | None = None
    """the id that the model must have; None means any id"""
    use_filename: bool = False


@dataclass(eq=False)
class Worker:
    """The object with which the parent process controls one worker process.

    `tasks`: the tasks that were sent to the worker and have no answer yet, oldest first.
    """

    process: "subprocess.Popen[bytes]"
    for_training: bool
    low_memory: bool
    ready: bool = False
    tasks: deque[Task] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    idle_since: float = 0.0
    """the time at which the worker became ready or sent its last answer, in seconds of the
    monotonic clock"""

    def send(self, task: Task) -> None:
        """Send a task to the worker."""
        self.tasks.append(task)
        assert self.process.stdin is not None
        # If the worker has ended, ignore the error here. The pool will find the end of the worker's
        # output and remove the worker.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(frame(task))
            self.process.stdin.flush()

    def is_free(self, task: Task) -> bool:
        """Return whether the worker can accept this task at present."""
        if self.for_training or not isinstance(task, FileTask):
            return not self.tasks
        return len(self.tasks) < QUEUE_DEPTH


def start(settings: WorkerSettings, *, for_training: bool, low_memory: bool) -> Worker:
    """Start a worker. Raises NoWorkerError if that fails.

    `for_training`: whether the worker is the trainer. `low_memory`: whether the worker has the
    limit LOW_MEMORY_BYTES for each image.
    """
    # Allow OpenBLAS only one thread. Idle threads of OpenBLAS use CPU time. On a busy CPU, a
    # training with more threads took 20 times as long.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if not for_training:
        # Each file worker uses one thread, because there is one file worker for each CPU. While one
        # worker decodes an image, another worker can embed an image.
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
            # The worker gets its own process group, so Ctrl-C sends a signal only to the parent.
            # The worker exits when its stdin closes.
            process_group=0,
        )
    except OSError as error:
        raise NoWorkerError(
            f"no worker can be started: {error.strerror}",
            "end other programs, or raise the limits (ulimit)",
        ) from None
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return Worker(process, for_training, low_memory)
