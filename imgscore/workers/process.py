"""One worker process, as its parent sees it: how it is started, and what it holds."""

import contextlib
import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from imgscore.errors import StoreError
from imgscore.workers.messages import Cancel, IndexFile, OfOneFile, Sent, Task, frame

# A worker gets its next file before it has answered the last, so that it never waits for us.
QUEUE_DEPTH = 2
# What a worker may take, and what images may where another worker may take more. One of 100
# megapixels takes 0.4 GB as a PNG, 1.6 as a WebP: modest workers hand it on to that other one.
MAX_BYTES = 3 * 2**30
LOW_MEMORY_BYTES = 3 * 2**27


class NoWorkerError(StoreError):
    """The machine has no process, memory or descriptor left; later it may, as with a full disk."""


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a pool is told."""

    store: Path
    heads: Path
    model: str
    device: str
    file_seconds: int
    embedder: str | None = None
    """the id that the model must have; None for any"""
    use_filename: bool = False


@dataclass(eq=False)
class Assignment:
    """A task that a worker holds, or two: what waits behind a long one is lent to an idle one."""

    task: Task
    holders: int = 0
    done: bool = False
    """whether it has been answered"""
    needs_memory: bool = False
    """whether only the worker that may take much memory can do it"""


@dataclass(eq=False)
class Worker:
    """A process, and what was sent to it and is not answered, in order."""

    process: "subprocess.Popen[bytes]"
    for_training: bool
    low_memory: bool
    ready: bool = False
    tasks: deque[Assignment] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    idle_since: float = 0.0
    _sent: int = 0

    def send(self, assignment: Assignment) -> None:
        """Give it a task."""
        assignment.holders += 1
        self.tasks.append(assignment)
        self._sent += 1
        self._write(assignment.task)

    def cancel(self, assignment: Assignment) -> None:
        """It need not do this one: too late where that is under way."""
        self._write(Cancel(self._sent - len(self.tasks) + self.tasks.index(assignment)))

    def _write(self, message: Sent) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; its end of file says so
            self.process.stdin.write(frame(message))
            self.process.stdin.flush()

    def is_free(self, task: Task) -> bool:
        """Whether it can be given a task now."""
        if self.for_training or not isinstance(task, OfOneFile):
            return not self.tasks
        return len(self.tasks) < QUEUE_DEPTH

    def stealable(self) -> list[Assignment]:
        """The files that it has not begun, and that nobody else has; the last first."""
        reader = list(self.tasks)[1 if self.ready else 0 :]
        reader.reverse()
        return [
            assignment
            for assignment in reader
            if isinstance(assignment.task, IndexFile)
            and assignment.holders == 1
            and not assignment.done
        ]


def start(settings: WorkerSettings, *, for_training: bool, low_memory: bool) -> Worker:
    """A new worker. Raises NoWorkerError."""
    # OpenBLAS's threads spin: where a CPU has other work, a training took twenty times as long.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if not for_training:
        # One thread a worker, a worker a CPU: decoding and inference overlap with no lock.
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
            process_group=0,  # Ctrl-C is for us; the workers end with their input
        )
    except OSError as error:
        raise NoWorkerError(
            f"no worker can be started: {error.strerror}", "end other programs, or raise limits"
        ) from None
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return Worker(process, for_training, low_memory)
