"""The pool, which starts and ends workers and sends tasks to them. It runs in the parent process.

A pool starts workers when there are tasks, and ends the workers that are idle.

If a worker crashes, only the task that it was doing fails. The pool has no thread. `Pool.answers`
waits for answers in the caller's thread. It can also wait for a file descriptor of the caller.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.workers import process
from imgscore.workers.device import Device
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileTask,
    Interrupted,
    NeedsMemory,
    Notice,
    Plan,
    Planned,
    Progressed,
    Ready,
    Scored,
    Task,
    take_answers,
)
from imgscore.workers.process import NoWorkerError, Worker, WorkerSettings
from imgscore.workers.queries import QueryRows

MAX_FAILED_STARTS = 3
"""The number of consecutive failed starts after which the pool raises an error. After three
failures in a row, the cause is probably permanent."""
MAX_READ = 1 << 18
"""The largest number of bytes that are read from a worker at a time. The caller can store the
answers in these bytes before the pool reads more."""


class Pool:
    """A group of worker processes: at most `size` workers for files, and one trainer.

    The trainer is the worker for all other tasks. Use the pool as a context manager.
    """

    def __init__(self, settings: WorkerSettings, size: int, idle_seconds: float) -> None:
        self.settings = settings
        self._size = size
        self._idle_seconds = idle_seconds
        self._workers: dict[int, Worker] = {}
        self._needs_memory: deque[Task] = deque()
        """The tasks that need more memory than a low-memory worker may use. They wait for the file
        worker without this limit."""
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0
        self.device = Device(settings, self._selector) if settings.batches else None
        self._notices: list[Notice] = []
        """the notices about the device process that are sent with the next answer"""

    @property
    def busy(self) -> int:
        """Return the number of tasks that have no answer yet."""
        return sum(len(worker.tasks) for worker in self._workers.values()) + len(self._needs_memory)

    @property
    def alive(self) -> int:
        """Return the number of worker processes."""
        return len(self._workers)

    @property
    def trainer_busy(self) -> bool:
        """Return whether the trainer has a task."""
        return any(worker.for_training and worker.tasks for worker in self._workers.values())

    def pids(self) -> list[int]:
        """Return the process ids of the workers, oldest worker first."""
        return list(self._workers)

    def tasks(self, pid: int) -> list[Task]:
        """Return the tasks of a worker that have no answer yet, the current task first."""
        return list(self._workers[pid].tasks)

    def _file_workers(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if not worker.for_training]

    def has_room(self) -> bool:
        """Return whether `submit` can accept another FileTask at present."""
        workers = self._file_workers()
        return len(workers) < self._size or any(len(w.tasks) < w.depth for w in workers)

    def submit(self, task: Task) -> bool:
        """Send a task to a worker, and start a worker if needed.

        Return False if no worker can accept the task at present.
        """
        if isinstance(task, Plan):
            self._end_idle_trainer()
        for_training = not isinstance(task, FileTask)
        workers = [w for w in self._workers.values() if w.for_training == for_training]
        free = [worker for worker in workers if worker.is_free(task)]
        idle = next((worker for worker in free if not worker.tasks), None)
        if self.device is not None and not for_training:
            self.device.count(busy=idle is None and len(workers) >= self._size)
        if idle is None and len(workers) < (1 if for_training else self._size):
            idle = self._start(for_training)
        chosen = idle or min(free, key=lambda worker: len(worker.tasks), default=None)
        if chosen is None:
            return False
        chosen.send(task)
        return True

    def _end_idle_trainer(self) -> None:
        """End the trainer if it is idle. A new trainer process then makes the next plan.

        A trainer does not release the memory of its earlier tasks. If one process had the memory
        of earlier tasks and of the plan, it would need too much.
        """
        for worker in list(self._workers.values()):
            if worker.for_training and worker.ready and not worker.tasks:
                self._end(worker)

    def warm_up(self) -> None:
        """Start a file worker if there is none.

        The new worker loads the model at once, before it gets a file.
        """
        if not self._file_workers():
            # If the start fails, ignore the error here. `submit` will raise NoWorkerError later.
            with contextlib.suppress(NoWorkerError):
                self._start(for_training=False)

    def _start(self, for_training: bool) -> Worker:
        low_memory = not for_training and any(not w.low_memory for w in self._file_workers())
        connection = None
        if self.device is not None and not for_training:
            if not registry.is_quick_to_load(self.settings.model):
                self.device.start()
            connection = self.device.connect()
        worker = process.start(
            self.settings,
            for_training=for_training,
            low_memory=low_memory,
            connection=connection,
        )
        self._workers[worker.process.pid] = worker
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        """Wait for answers, and return a (task, answer) for each of them.

        `timeout`: the largest number of seconds to wait. None means no limit. `wake`: a file
        descriptor; the wait ends when it becomes readable. Raises ImgscoreError if no worker can be
        started.
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
            elif isinstance(key.data, Device) and (notice := key.data.read()) is not None:
                self._notices.append(notice)
        if self._notices and answers:
            answers[:0] = [(answers[0][0], notice) for notice in self._notices]
            self._notices.clear()
        return answers + self._escalate()

    def _escalate(self) -> list[tuple[Task, Answer]]:
        """Send the tasks in `_needs_memory` to the file worker that is not a low-memory worker.

        If this worker does not exist, start it first. If it cannot be started, return each of these
        tasks with the answer Interrupted.
        """
        worker = next((w for w in self._file_workers() if not w.low_memory), None)
        try:
            while self._needs_memory and (worker is None or len(worker.tasks) < worker.depth):
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
                worker.answered += 1
                worker.idle_since = time.monotonic()
                if isinstance(answer, NeedsMemory):
                    self._needs_memory.append(task)
                else:
                    answers.append((task, answer))
        if not data:
            answers += self._reap(worker)
        return answers

    def _reap(self, worker: Worker) -> list[tuple[Task, Answer]]:
        """Remove a worker that has ended, and return an answer for the task that it was doing.

        The other tasks of the worker are submitted again. If no worker can accept one of these
        tasks, its answer is Interrupted.
        """
        status = self._remove(worker)
        answers: list[tuple[Task, Answer]] = []
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise ImgscoreError(
                    f"a worker cannot be started (exit status {status})",
                    "see the message above, and: imgscore doctor",
                )
        elif worker.tasks and (current := worker.current()) is not None:
            task = worker.tasks[current]
            del worker.tasks[current]
            answers.append((task, _end_of(status, self.settings.file_seconds)))
        for task in worker.tasks:
            if not self._resubmit(task):
                answers.append((task, Interrupted()))
        return answers

    def _resubmit(self, task: Task) -> bool:
        """Send a task again. Return False if no worker can accept the task at present."""
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
        """End the workers that have been idle for longer than `idle_seconds`.

        The trainer is ended as soon as it is idle, because it uses much memory. Returns the time at
        which the pool must end the next idle worker. Returns None if no idle worker is left.
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
        if self.device is not None and not self._file_workers():
            self.device.end()
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
        """Kill every worker. The next scan finds the files that the workers have not finished."""
        for worker in list(self._workers.values()):
            worker.process.kill()
            self._remove(worker)
        if self.device is not None:
            self.device.end()
        self._selector.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_last(answer: Answer) -> bool:
    """Return whether no other message follows `answer` for the same task."""
    match answer:
        case Notice() | Progressed():
            return False
        case Scored(last=last) | QueryRows(last=last) | Planned(last=last):
            return last
        case _:
            return True


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def _end_of(status: int, seconds: int) -> Crashed | Interrupted:
    """Return the answer for the task that a worker was doing when it ended.

    `status`: the exit status of the worker. `seconds`: the time limit for one file. If SIGTERM,
    SIGHUP or SIGINT ended the worker, for example at a logout, the answer is Interrupted. For all
    other causes, the answer is Crashed.
    """
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
