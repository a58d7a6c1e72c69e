"""The parent's side of the workers: it starts them when there is work, and ends them when idle.

If a worker dies, only the file that it was working on fails. The pool has no thread: the caller
waits in `answers`, which also returns when a descriptor of the caller becomes readable.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque

from imgscore.errors import ImgscoreError
from imgscore.workers import process
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileTask,
    Interrupted,
    NeedsMemory,
    Notice,
    Plan,
    Planned,
    Ready,
    Scored,
    Task,
    take_answers,
)
from imgscore.workers.process import QUEUE_DEPTH, NoWorkerError, Worker, WorkerSettings
from imgscore.workers.queries import QueryRows

MAX_FAILED_STARTS = 3
"""Failed starts in a row after which the pool gives up: the cause is a lasting one."""
MAX_READ = 1 << 18
"""Bytes of answers read at a time: the caller stores them before it reads more."""


class Pool:
    """At most `size` workers for files, and one trainer for all other tasks.

    Use it as a context manager.
    """

    def __init__(self, settings: WorkerSettings, size: int, idle_seconds: float) -> None:
        self.settings = settings
        self._size = size
        self._idle_seconds = idle_seconds
        self._workers: dict[int, Worker] = {}
        self._needs_memory: deque[Task] = deque()
        """tasks that a low-memory worker could not do"""
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    @property
    def busy(self) -> int:
        """How many tasks have no answer yet."""
        return sum(len(worker.tasks) for worker in self._workers.values()) + len(self._needs_memory)

    @property
    def alive(self) -> int:
        """How many worker processes there are."""
        return len(self._workers)

    @property
    def trainer_busy(self) -> bool:
        """Whether the trainer has a task."""
        return any(worker.for_training and worker.tasks for worker in self._workers.values())

    def pids(self) -> list[int]:
        """The workers' process ids, oldest worker first."""
        return list(self._workers)

    def tasks(self, pid: int) -> list[Task]:
        """The tasks of a worker that have no answer yet, the current one first."""
        return list(self._workers[pid].tasks)

    def _file_workers(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if not worker.for_training]

    def has_room(self) -> bool:
        """Whether `submit` takes another file now."""
        workers = self._file_workers()
        return len(workers) < self._size or any(len(w.tasks) < QUEUE_DEPTH for w in workers)

    def submit(self, task: Task) -> bool:
        """Send a task to a worker, and start one if needed. False if every worker is full."""
        if isinstance(task, Plan):
            self._end_idle_trainer()
        for_training = not isinstance(task, FileTask)
        workers = [w for w in self._workers.values() if w.for_training == for_training]
        free = [worker for worker in workers if worker.is_free(task)]
        idle = next((worker for worker in free if not worker.tasks), None)
        if idle is None and len(workers) < (1 if for_training else self._size):
            idle = self._start(for_training)
        chosen = idle or min(free, key=lambda worker: len(worker.tasks), default=None)
        if chosen is None:
            return False
        chosen.send(task)
        return True

    def _end_idle_trainer(self) -> None:
        """End the trainer before a plan: both together would take too much memory."""
        for worker in list(self._workers.values()):
            if worker.for_training and worker.ready and not worker.tasks:
                self._end(worker)

    def warm_up(self) -> None:
        """Start a worker if there is none, so that the model is loaded when a file comes."""
        if not self._file_workers():
            with contextlib.suppress(NoWorkerError):  # `submit` raises it later
                self._start(for_training=False)

    def _start(self, for_training: bool) -> Worker:
        low_memory = not for_training and any(not w.low_memory for w in self._file_workers())
        worker = process.start(self.settings, for_training=for_training, low_memory=low_memory)
        self._workers[worker.process.pid] = worker
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        """Wait at most `timeout` seconds (None: for ever) for answers, or until `wake` is readable.

        Raises ImgscoreError if workers cannot be started at all.
        """
        if wake is not None:
            self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            events = self._selector.select(timeout)
        finally:
            if wake is not None:
                self._selector.unregister(wake)
        answers: list[tuple[Task, Answer]] = []
        for key, _ in events:
            if isinstance(key.data, Worker):
                answers += self._read(key.data)
        return answers + self._escalate()

    def _escalate(self) -> list[tuple[Task, Answer]]:
        """Send tasks that need memory to the worker without the low limit; start it if needed.

        Returns the tasks that cannot be sent because no worker can be started.
        """
        worker = next((w for w in self._file_workers() if not w.low_memory), None)
        try:
            while self._needs_memory and (worker is None or len(worker.tasks) < QUEUE_DEPTH):
                worker = worker or self._start(for_training=False)
                worker.send(self._needs_memory.popleft())
        except NoWorkerError:
            left: list[tuple[Task, Answer]] = [(task, Interrupted()) for task in self._needs_memory]
            self._needs_memory.clear()
            return left
        return []

    def _read(self, worker: Worker) -> list[tuple[Task, Answer]]:
        assert worker.process.stdout is not None
        answers: list[tuple[Task, Answer]] = []
        try:
            data = os.read(worker.process.stdout.fileno(), MAX_READ)
        except BlockingIOError:
            return answers
        worker.buffer += data
        for answer in take_answers(worker.buffer):
            if isinstance(answer, Ready):
                worker.ready, self._failed_starts = True, 0
                worker.idle_since = time.monotonic()
            elif not _is_last(answer):
                answers.append((worker.tasks[0], answer))
            else:
                task = worker.tasks.popleft()
                worker.idle_since = time.monotonic()
                if isinstance(answer, NeedsMemory):
                    self._needs_memory.append(task)
                else:
                    answers.append((task, answer))
        if not data:
            answers += self._reap(worker)
        return answers

    def _reap(self, worker: Worker) -> list[tuple[Task, Answer]]:
        """Answer for the task that a dead worker was working on; send its other tasks again."""
        status = self._remove(worker)
        answers: list[tuple[Task, Answer]] = []
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise ImgscoreError(
                    f"a worker cannot be started (exit status {status})",
                    "its message stands above; see also: imgscore doctor",
                )
        elif worker.tasks:
            answers.append((worker.tasks.popleft(), _end_of(status, self.settings.file_seconds)))
        for task in worker.tasks:
            if not self._resubmit(task):
                answers.append((task, Interrupted()))
        return answers

    def _resubmit(self, task: Task) -> bool:
        """Send a task again; False if no worker takes it now."""
        try:
            return self.submit(task)
        except NoWorkerError:
            return False

    def _remove(self, worker: Worker) -> int:
        process = worker.process
        assert process.stdin is not None and process.stdout is not None
        self._selector.unregister(process.stdout)
        del self._workers[process.pid]
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def reap_idle(self, now: float) -> float | None:
        """End workers that have been idle too long; return when the next one will be, or None.

        The trainer ends as soon as it is idle, because it holds much memory.
        """
        ends: list[float] = []
        for worker in list(self._workers.values()):
            if worker.tasks or not worker.ready:
                continue
            end = worker.idle_since + (0 if worker.for_training else self._idle_seconds)
            if end <= now:
                self._end(worker)
            else:
                ends.append(end)
        return min(ends, default=None)

    def _end(self, worker: Worker) -> None:
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
        try:
            worker.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            worker.process.kill()
        self._remove(worker)

    def close(self) -> None:
        """Kill every worker. The next scan finds their files again."""
        for worker in list(self._workers.values()):
            worker.process.kill()
            self._remove(worker)
        self._selector.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_last(answer: Answer) -> bool:
    """Whether this is the last part of an answer."""
    match answer:
        case Notice():
            return False
        case Scored(last=last) | QueryRows(last=last) | Planned(last=last):
            return last
        case _:
            return True


def cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def _end_of(status: int, seconds: int) -> Crashed | Interrupted:
    """The answer for the task of a worker that has ended. A logout ends workers, too."""
    if status in (-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        return Interrupted()
    if status == -signal.SIGALRM:
        return Crashed(f"takes longer than {seconds} s")
    if status == -signal.SIGKILL:
        return Crashed("was killed, probably because memory ran out")
    if status < 0:
        return Crashed(f"crashes the decoder ({signal.Signals(-status).name})")
    return Crashed(f"ends the worker (exit status {status}; the log says more)")


__all__ = ["NoWorkerError", "Pool", "WorkerSettings", "cpus"]
