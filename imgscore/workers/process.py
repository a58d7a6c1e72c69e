"""Start a worker process, and send tasks to it.

This module runs in the parent process.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from imgscore.config import UseFilename
from imgscore.errors import ImgscoreError
from imgscore.workers.device_connection import Connection
from imgscore.workers.frames import frame
from imgscore.workers.library_messages import PrepareRows
from imgscore.workers.messages import (
    FileTask,
    Rescore,
    Task,
)
from imgscore.workers.order_messages import PrepareOrder

TRAINER: tuple[str, ...] = ("-P", "-m", "imgscore.workers.worker")
FILE_WORKER = TRAINER
"""The arguments with which Python runs a file worker. A benchmark replaces them."""
QUEUE_DEPTH = 2
"""The smallest number of file tasks that one worker may have at a time. While the worker does the
first task, the second task already waits in its stdin."""
QUEUE_SECONDS = 0.1
"""The number of seconds of work that may wait in the stdin of a worker. While many files wait, the
daemon reads answers every 15 ms, or later: if other programs use the CPUs, or if a commit waits for
the disk. Workers with fewer tasks would wait during this time."""
MAX_QUEUE_DEPTH = 16
"""The largest number of file tasks of a worker that computes images itself."""
PACE_SHARE = 0.1
"""The share of the newest time in the mean of a worker's pace."""
LINKED_DEPTH = 34
"""The number of file tasks of a worker if the device process computes the images: one for each slot
of the worker (`ring.SLOTS`), one that it decodes, and one that waits in its stdin."""
ORDER_SECONDS = 10.0
"""The number of seconds for which the order worker waits for its next task, after it has loaded the
files of the inboxes or scored the images. The next task comes within milliseconds, if it comes."""
ROWS_SECONDS = 1.0
"""The number of seconds for which the order worker waits after PrepareRows. The next task of this
type comes within milliseconds, if it comes."""
PIPE_BYTES = 1 << 20
"""The number of bytes that a pipe from the trainer or the order worker can contain, if the system
allows it. Linux allows this number to each user; its default is 64 kB. A part of a plan has about
240 kB."""
FILES_WORTH_STARTING = 256
"""The number of files in a row that must keep all file workers busy before the device process is
started, if the workers can compute the model themselves. On a GPU, the start takes several seconds
of one CPU."""
MAX_BYTES = 3 * 2**30
"""The largest number of bytes of memory that a worker may use. A WebP image of 100 megapixels uses
1.7 GB."""
LOW_MEMORY_BYTES = 3 * 2**27
"""The largest number of bytes that an image may use in a low-memory worker.

In the daemon, all file workers except one are low-memory workers. If an image needs more memory,
the pool sends it to the remaining worker. With this limit, small images are ready sooner, and the
workers use less memory. We measured 2 workers with 160 small images and 16 images of 100
megapixels. The small PNG images were ready after 5 s with this limit, and after 29 s without it
(WebP: 8 s and 66 s). The two workers together used 0.6 GB with the limit, and 1.0 GB without it
(WebP: 1.7 GB and 2.8 GB)."""


class NoWorkerError(ImgscoreError):
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
    use_filename: UseFilename = False
    batches: bool = False
    """whether a device process computes images in batches"""
    batch: int = 0
    """the largest number of images in a batch; 0 means the largest number that fits"""
    device_after: int = FILES_WORTH_STARTING
    """the number of files in a row that must keep all workers busy before the device process is
    started"""
    dim: int | None = None
    """the number of values in an image's vector; None means that the number is not checked"""
    large_workers: int = 1
    """the number of file workers that are not low-memory workers"""
    link_folders: tuple[bytes, ...] = ()
    """the folders of links in which the trainer may write"""


@dataclass(eq=False)
class Worker:
    """The object with which the parent process controls one worker process.

    `tasks`: the tasks that were sent to the worker and have no answer yet, oldest first.
    """

    process: "subprocess.Popen[bytes]"
    for_training: bool
    low_memory: bool
    orders: bool = False
    """whether the worker does only the tasks OrderTask"""
    ready: bool = False
    alone: bool = False
    """whether the worker does a task again during which another worker has crashed"""
    problem: str = ""
    """the reason why the worker cannot start, if the worker has sent it"""
    tasks: deque[Task] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    connection: Connection | None = None
    """the connection to the device process, if the worker has one"""
    answered: int = 0
    """the number of tasks that have an answer"""
    pace: float = 1.0
    """the mean of the last seconds that the worker has needed for one task"""
    idle_seconds: float = 0.0
    """the number of seconds after which the trainer or the order worker is ended if it is idle"""
    idle_since: float = 0.0
    """the time at which the worker became ready or sent its last answer, in seconds of the
    monotonic clock"""

    def send(self, *tasks: Task) -> None:
        """Send tasks to the worker, in one write.

        Raises ImgscoreError if a task cannot be encoded. Then no task is sent.
        """
        try:
            data = b"".join(map(frame, tasks))
        except (ValueError, OverflowError, RecursionError) as error:
            raise ImgscoreError(
                f"a task for a worker cannot be encoded: {error}", "check the request"
            ) from None
        self.tasks += tasks
        assert self.process.stdin is not None
        # If the worker has ended, ignore the error here. The pool will find the end of the worker's
        # output and remove the worker.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def is_free(self, task: Task) -> bool:
        """Return whether the worker can accept this task at present."""
        if self.for_training or not isinstance(task, FileTask):
            return not self.tasks
        return self.has_room

    @property
    def has_room(self) -> bool:
        """Whether the worker can accept another file task at present."""
        return len(self.tasks) < QUEUE_DEPTH or len(self.tasks) < self.depth

    @property
    def room(self) -> int:
        """The number of file tasks that the worker can accept at present."""
        return max(0, self.depth - len(self.tasks))

    @property
    def depth(self) -> int:
        """The largest number of file tasks that the worker has at a time."""
        if self.connection is not None and self.connection.is_ready:
            return LINKED_DEPTH
        waiting = int(QUEUE_SECONDS / max(self.pace, 1e-4))
        return max(QUEUE_DEPTH, min(1 + waiting, MAX_QUEUE_DEPTH))

    def take_first(self) -> Task:
        """Remove the oldest task, which has its answer now, and return it."""
        self.answered += 1
        done = self.tasks.popleft()
        match done:
            case PrepareOrder() | Rescore():
                self.idle_seconds = ORDER_SECONDS
            case PrepareRows():
                self.idle_seconds = ROWS_SECONDS
            case _:
                self.idle_seconds = 0.0
        return done

    def measure_pace(self, count: int, now: float) -> None:
        """Measure the pace after `count` answers arrived at `now`, in monotonic seconds."""
        if self.answered > count:  # The first answers include the time to load the model.
            share = 1 - (1 - PACE_SHARE) ** count
            self.pace += share * (min((now - self.idle_since) / count, 1.0) - self.pace)
        self.idle_since = now

    def end(self) -> None:
        """End the process: it exits when its stdin closes. Kill it if it has not after 2 s."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def close(self) -> int:
        """Close the pipes, wait for the end of the process, and return its exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()

    def current(self) -> int | None:
        """Return the index in `tasks` of the task that the worker does now.

        Return None if it waits for the device process.
        """
        if self.connection is None:
            return 0
        current = self.connection.current(self.answered)
        # A hostile image that has taken control of the worker can write any number.
        return current if current is None or current < len(self.tasks) else 0


def start(
    settings: WorkerSettings,
    *,
    for_training: bool,
    low_memory: bool,
    orders: bool = False,
    connection: Connection | None = None,
) -> Worker:
    """Start a worker. Raises NoWorkerError if that fails.

    `for_training`: whether the worker is the trainer or the order worker. `low_memory`: whether the
    worker has the limit LOW_MEMORY_BYTES for each image. `orders`: whether it is the order worker.
    `connection`: the connection to the device process.
    """
    # Allow OpenBLAS only one thread. Idle threads of OpenBLAS use CPU time. On a busy CPU, a
    # training with more threads took 20 times as long.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if not for_training:
        # Each file worker uses one thread, because there is one file worker for each CPU. While one
        # worker decodes an image, another worker can embed an image.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
    arguments: list[str | bytes] = [
        os.fspath(settings.store),
        os.fspath(settings.heads),
        settings.model,
        # File workers leave an accelerator to the device process.
        "cpu" if settings.batches and not for_training else settings.device,
        str(settings.file_seconds),
        "0" if for_training else str(MAX_BYTES),
        settings.embedder or "",
        str(settings.use_filename).lower(),
        str(LOW_MEMORY_BYTES if low_memory else 0),
        ",".join(map(str, connection.descriptors)) if connection is not None else "",
        *(settings.link_folders if for_training else ()),
    ]
    try:
        process = subprocess.Popen(
            [sys.executable, *(TRAINER if for_training else FILE_WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # The worker gets its own process group, so Ctrl-C sends a signal only to the parent.
            # The worker exits when its stdin closes.
            process_group=0,
            pass_fds=connection.descriptors if connection is not None else (),
        )
    except OSError as error:
        raise NoWorkerError(
            f"no worker can be started: {error.strerror}",
            "end other programs, or raise the limits (ulimit)",
        ) from None
    finally:
        if connection is not None:
            connection.close_descriptors()
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    if for_training:
        _enlarge(process.stdout.fileno())
    return Worker(process, for_training, low_memory, orders, connection=connection)


def _enlarge(pipe: int) -> None:
    """Let a pipe contain PIPE_BYTES, if the system allows it.

    Each read of the pool then finds whole parts of a plan, and the engine does fewer steps.
    """
    with contextlib.suppress(OSError, AttributeError):  # macOS has no such option.
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
