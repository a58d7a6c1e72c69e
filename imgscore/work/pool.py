"""The parent's side of the workers: start them when there is work, end them when there is none.

A worker that dies costs the file that it held, and nothing else. No thread: the caller waits in
`answers`, which can wake for its own descriptors too.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from imgscore.errors import ImgscoreError, StoreError
from imgscore.work.tasks import (
    Answer,
    Crashed,
    Noted,
    OfOneFile,
    Planned,
    Ready,
    Scored,
    Studied,
    Task,
    frame,
    take_answers,
)

# A worker gets its next file before it has answered the last, so that it never waits for us.
DEPTH = 2
MEMORY_BYTES = 3 * 2**30
FAILED_STARTS = 3
# Bytes of answers at a time: what follows from them is done before more are read.
MOST_READ = 1 << 18


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
    embedder: str = ""
    """the id that the model must have; "" for any"""
    use_filename: bool = False


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    for_training: bool
    ready: bool = False
    tasks: deque[Task] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    idle_since: float = 0.0

    def send(self, task: Task) -> None:
        self.tasks.append(task)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; its end of file says so
            self.process.stdin.write(frame(task))
            self.process.stdin.flush()

    def is_free(self, task: Task) -> bool:
        if self.for_training or not isinstance(task, OfOneFile):
            return not self.tasks
        return len(self.tasks) < DEPTH


class Pool:
    """At most `size` embedding workers, and one more for training. Use as a context manager."""

    def __init__(self, settings: WorkerSettings, size: int, idle_seconds: float) -> None:
        self.settings = settings
        self._size = size
        self._idle_seconds = idle_seconds
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    @property
    def busy(self) -> int:
        """How many tasks are with workers."""
        return sum(len(worker.tasks) for worker in self._workers.values())

    @property
    def alive(self) -> int:
        """How many worker processes there are."""
        return len(self._workers)

    @property
    def thinking(self) -> bool:
        """Whether the one worker that looks at no files has something to do."""
        return any(worker.for_training and worker.tasks for worker in self._workers.values())

    def pids(self) -> list[int]:
        """The workers' process ids."""
        return list(self._workers)

    def tasks(self, pid: int) -> list[Task]:
        """What a worker holds, the task it is at first."""
        return list(self._workers[pid].tasks)

    def has_room(self) -> bool:
        """Whether another file can be handed out without waiting."""
        looking = [worker for worker in self._workers.values() if not worker.for_training]
        return len(looking) < self._size or any(len(one.tasks) < DEPTH for one in looking)

    def submit(self, task: Task) -> bool:
        """Hand out a task; False when every worker is full. Training gets a worker of its own."""
        training = not isinstance(task, OfOneFile)
        mates = [worker for worker in self._workers.values() if worker.for_training == training]
        free = [worker for worker in mates if worker.is_free(task)]
        idle = next((worker for worker in free if not worker.tasks), None)
        if idle is None and len(mates) < (1 if training else self._size):
            idle = self._start(training)
        chosen = idle or min(free, key=lambda worker: len(worker.tasks), default=None)
        if chosen is None:
            return False
        chosen.send(task)
        return True

    def _start(self, for_training: bool) -> _Worker:
        settings = self.settings
        environment = dict(os.environ)
        if not for_training:
            # One thread a worker, a worker a CPU: decoding and inference overlap with no lock.
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                environment[name] = "1"
        arguments = [
            os.fspath(settings.store),
            os.fspath(settings.heads),
            settings.model,
            settings.device,
            str(settings.file_seconds),
            "0" if for_training else str(MEMORY_BYTES),
            settings.embedder,
            "names" if settings.use_filename else "",
        ]
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "imgscore.work.worker", *arguments],
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
        worker = _Worker(process, for_training)
        self._workers[process.pid] = worker
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        return worker

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        """Wait at most `timeout` seconds (None: for ever) for answers, or until `wake` is readable.

        Raises ImgscoreError when workers cannot be started at all.
        """
        if wake is not None:
            self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            events = self._selector.select(timeout)
        finally:
            if wake is not None:
                self._selector.unregister(wake)
        found: list[tuple[Task, Answer]] = []
        for key, _ in events:
            if isinstance(key.data, _Worker):
                found += self._read(key.data)
        return found

    def _read(self, worker: _Worker) -> list[tuple[Task, Answer]]:
        assert worker.process.stdout is not None
        found: list[tuple[Task, Answer]] = []
        try:
            data = os.read(worker.process.stdout.fileno(), MOST_READ)
        except BlockingIOError:
            return found
        worker.buffer += data
        for answer in take_answers(worker.buffer):
            if isinstance(answer, Ready):
                worker.ready, self._failed_starts = True, 0
                continue
            task = worker.tasks[0]
            if _ends_the_task(answer):
                worker.tasks.popleft()
                worker.idle_since = time.monotonic()
            found.append((task, answer))
        if not data:
            found += self._bury(worker)
        return found

    def _bury(self, worker: _Worker) -> list[tuple[Task, Answer]]:
        """A worker has ended: blame the task it held, hand the others out again."""
        status = self._remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise ImgscoreError(
                    f"a worker cannot be started (exit status {status})",
                    "its message stands above; see also: imgscore doctor",
                )
        blamed: list[tuple[Task, Answer]] = []
        if worker.tasks and worker.ready:
            reason = _why(status, self.settings.file_seconds)
            blamed.append((worker.tasks.popleft(), Crashed(reason)))
        for task in worker.tasks:
            if not self._resubmit(task):
                blamed.append((task, Crashed("")))
        return blamed

    def _resubmit(self, task: Task) -> bool:
        """Hand a task out again; False where nobody can take it now."""
        try:
            return self.submit(task)
        except NoWorkerError:
            return False

    def _remove(self, worker: _Worker) -> int:
        process = worker.process
        assert process.stdin is not None and process.stdout is not None
        self._selector.unregister(process.stdout)
        del self._workers[process.pid]
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def rest(self, now: float) -> float | None:
        """End workers that have been idle too long; returns when the next one will be, or None.

        A training worker ends as soon as it is done: what it read is worth more than its start.
        """
        waiting: list[float] = []
        for worker in list(self._workers.values()):
            if worker.tasks or not worker.ready:
                continue
            until = worker.idle_since + (0 if worker.for_training else self._idle_seconds)
            if until <= now:
                self._end(worker)
            else:
                waiting.append(until)
        return min(waiting, default=None)

    def _end(self, worker: _Worker) -> None:
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
        try:
            worker.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            worker.process.kill()
        self._remove(worker)

    def close(self) -> None:
        """End every worker, at once: what they hold is looked at again next time."""
        for worker in list(self._workers.values()):
            worker.process.kill()
            self._remove(worker)
        self._selector.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ends_the_task(answer: Answer) -> bool:
    """Whether this is all that there is to a task; long answers come in parts."""
    match answer:
        case Noted():
            return False
        case Scored(last=last) | Studied(last=last) | Planned(last=last):
            return last
        case _:
            return True


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def _why(status: int, seconds: int) -> str:
    """What a task did to its worker; "" where it was ended from outside, as at a logout."""
    if status in (-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        return ""
    if status == -signal.SIGALRM:
        return f"takes longer than {seconds} s"
    if status == -signal.SIGKILL:
        return "was killed, most likely for want of memory"
    if status < 0:
        return f"crashes the decoder ({signal.Signals(-status).name})"
    return f"ends the worker (exit status {status}; the log says more)"
