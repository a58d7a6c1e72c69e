"""The pool, which starts and ends workers and sends tasks to them. It runs in the parent process.

A pool starts workers when there are tasks, and ends the workers that are idle.

If a worker crashes while it reads a file, a fresh worker reads this file once more, alone: only a
second crash is the file's fault. Other tasks of the worker are not lost.

The pool has no thread. `Pool.answers` waits for answers in the caller's thread. It can also wait
for a file descriptor of the caller.
"""

import contextlib
import os
import selectors
import time
from collections import deque

from imgscore.embedders import registry
from imgscore.workers import answer_checks, process
from imgscore.workers.device import Device
from imgscore.workers.endings import Starts, end_of, ending, interrupted, is_last, seconds_of
from imgscore.workers.frames import take_answers
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileTask,
    IndexFile,
    Interrupted,
    NeedsMemory,
    Notice,
    OrderTask,
    Ready,
    Refused,
    Task,
    Train,
    WrongAnswerError,
)
from imgscore.workers.process import NoWorkerError, Worker, WorkerSettings
from imgscore.workers.shares import send_all

MAX_READ = 1 << 16
"""The largest number of bytes that are read from a worker at a time. A pipe contains no more."""


class Pool:
    """A group of worker processes: at most `size` workers for files, a trainer, an order worker.

    The file workers do the tasks FileTask, the order worker the tasks OrderTask, and the trainer
    all others. Use the pool as a context manager.
    """

    def __init__(self, settings: WorkerSettings, size: int, idle_seconds: float) -> None:
        self.settings = settings
        self._size = size
        self._idle_seconds = idle_seconds
        self._workers: dict[int, Worker] = {}
        self._needs_memory: deque[Task] = deque()
        """The tasks that need more memory than a low-memory worker may use. They wait for a file
        worker without this limit."""
        self._suspects: deque[Task] = deque()
        """The tasks during which a file worker has crashed. Each of them is done once more."""
        self._postponed: deque[Task] = deque()
        """The other tasks of workers that have crashed. They wait until no task is suspect."""
        self._selector = selectors.DefaultSelector()
        self._starts = {True: Starts(), False: Starts()}
        """The failed starts of trainers (True) and of file workers (False)."""
        self.device = Device(settings, self._selector) if settings.batches else None
        self._collected: list[tuple[Task, Answer]] = []
        """the answers that `collect` has read"""
        self._notices: list[Notice] = []
        """the notices about the device process that are sent with the next answer"""

    @property
    def busy(self) -> int:
        """Return the number of tasks that have no answer yet."""
        waiting = len(self._needs_memory) + len(self._suspects) + len(self._postponed)
        return sum(len(worker.tasks) for worker in self._workers.values()) + waiting

    @property
    def alive(self) -> int:
        """Return the number of worker processes."""
        return len(self._workers)

    @property
    def trainer_busy(self) -> bool:
        """Return whether the trainer or the order worker has a task."""
        return any(worker.for_training and worker.tasks for worker in self._workers.values())

    def pids(self) -> list[int]:
        """Return the process ids of the workers, oldest worker first."""
        return list(self._workers)

    def tasks(self, pid: int) -> list[Task]:
        """Return the tasks of a worker that have no answer yet, the current task first."""
        return list(self._workers[pid].tasks)

    def _file_workers(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if not worker.for_training]

    def _large_workers(self) -> list[Worker]:
        return [worker for worker in self._file_workers() if not worker.low_memory]

    def has_room(self) -> bool:
        """Return whether `submit` can accept another FileTask at present."""
        return self.room > 0

    @property
    def room(self) -> int:
        """The number of file tasks that `submit_all` accepts. An absent worker counts as one."""
        if self._has_suspect():
            return 0
        workers = self._file_workers()
        return max(0, self._size - len(workers)) + sum(worker.room for worker in workers)

    def submit_all(self, tasks: deque[IndexFile]) -> None:
        """Send as many file tasks as there is `room` for, and remove them from `tasks`."""
        if self.device is not None:  # The device process is started when all workers are busy.
            while tasks and self.submit(tasks[0]):
                tasks.popleft()
            return
        if self._has_suspect():
            return
        workers = sorted(self._file_workers(), key=lambda worker: len(worker.tasks))
        idle = sum(not worker.tasks for worker in workers)
        while idle < len(tasks) and len(workers) < self._size:
            workers.insert(0, self._start(for_training=False))
            idle += 1
        send_all(workers, tasks)

    def submit(self, task: Task) -> bool:
        """Send a task to a worker, and start a worker if needed.

        Return False if no worker can accept the task at present.
        """
        for_training, orders = not isinstance(task, FileTask), isinstance(task, OrderTask)
        if not for_training and self._has_suspect():
            return False
        count, chosen = 0, None
        for worker in self._workers.values():
            if (worker.for_training, worker.orders) == (for_training, orders):
                count += 1
                fewer = chosen is None or len(worker.tasks) < len(chosen.tasks)
                if fewer and worker.is_free(task):
                    chosen = worker
        has_idle, size = chosen is not None and not chosen.tasks, 1 if for_training else self._size
        if self.device is not None and not for_training:
            self.device.count(busy=not has_idle and count >= size)
        if not has_idle and count < size:
            chosen = self._start(for_training, orders=orders)
        if chosen is None:
            return False
        chosen.send(task)
        return True

    def warm_up(self) -> None:
        """Start a file worker if there is none. It loads the model before it gets a file."""
        if not self._file_workers():
            # If the start fails, ignore the error here. `submit` will raise NoWorkerError later.
            with contextlib.suppress(NoWorkerError):
                self._start(for_training=False)

    def retry(self) -> None:
        """Let the next task start a worker, even if earlier starts have failed a moment ago."""
        for starts in self._starts.values():
            starts.retry()

    def _start(self, for_training: bool, *, orders: bool = False) -> Worker:
        self._starts[for_training].check(time.monotonic())
        low_memory = not for_training and len(self._large_workers()) >= self.settings.large_workers
        connection = None
        if self.device is not None and not for_training:
            if not registry.is_quick_to_load(self.settings.model):
                self.device.start()
            connection = self.device.connect()
        worker = process.start(
            self.settings,
            for_training=for_training,
            low_memory=low_memory,
            orders=orders,
            connection=connection,
        )
        self._workers[worker.process.pid] = worker
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        """Wait for answers, and return a (task, answer) for each of them.

        `timeout`: the largest number of seconds to wait. None means no limit. `wake`: a file
        descriptor; the wait ends when it becomes readable.
        """
        if self._collected:
            collected, self._collected = self._collected, []
            return collected
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
        return answers + self._escalate() + self._retry_suspect()

    def collect(self, timeout: float) -> None:
        """Wait for answers, and keep them for the next call of `answers`.

        The workers whose answers were read have room for further tasks.
        """
        kept, self._collected = self._collected, []
        try:
            kept += self.answers(timeout)
        finally:
            self._collected = kept

    def _escalate(self) -> list[tuple[Task, Answer]]:
        """Send the tasks in `_needs_memory` to the file workers that are not low-memory workers.

        Start one if there is none. If that fails, return each of these tasks with an Interrupted.
        """
        try:
            while self._needs_memory:
                workers = self._large_workers() or [self._start(for_training=False)]
                worker = min(workers, key=lambda worker: len(worker.tasks))
                if not worker.has_room:
                    break
                worker.send(self._needs_memory.popleft())
        except NoWorkerError as error:
            return interrupted(self._needs_memory, error)
        return []

    def _has_suspect(self) -> bool:
        """Return whether a file is to be read alone, or is read alone now."""
        return bool(self._suspects) or any(worker.alone for worker in self._workers.values())

    def _retry_suspect(self) -> list[tuple[Task, Answer]]:
        """Let a fresh worker do a suspect task, as soon as no other file worker has a task.

        A worker that is killed because memory ran out may have been killed for the image of another
        worker. While one task runs alone, its own image is the only one in memory.
        """
        try:
            workers = self._file_workers()
            if self._suspects and not self._needs_memory and not any(w.tasks for w in workers):
                for worker in workers:
                    worker.process.kill()
                    self._remove(worker)
                alone = self._start(for_training=False)
                alone.alone = True
                alone.send(self._suspects.popleft())
            while self._postponed and self.submit(self._postponed[0]):
                self._postponed.popleft()
        except NoWorkerError as error:
            return interrupted(self._suspects, error) + interrupted(self._postponed, error)
        return []

    def _read(self, worker: Worker) -> list[tuple[Task, Answer]]:
        assert worker.process.stdout is not None
        answers: list[tuple[Task, Answer]] = []
        try:
            data = os.read(worker.process.stdout.fileno(), MAX_READ)
        except BlockingIOError:
            return answers
        worker.buffer += data
        before = worker.answered
        try:
            for answer in take_answers(worker.buffer):
                answers += self._take(worker, answer)
            if worker.answered > before:
                worker.measure_pace(worker.answered - before, time.monotonic())
        except WrongAnswerError as error:
            # A hostile image may have taken control of the worker. Trust nothing of its output.
            worker.process.kill()
            return answers + self._reap(worker, str(error))
        if not data:
            answers += self._reap(worker)
        return answers

    def _take(self, worker: Worker, answer: Answer) -> list[tuple[Task, Answer]]:
        """Process one answer of a worker. Raises WrongAnswerError if the answer does not fit."""
        if isinstance(answer, Ready):
            worker.ready = True
            self._starts[worker.for_training].retry(ready=True)
            worker.idle_since = time.monotonic()
            return []
        if not worker.ready and isinstance(answer, Refused):
            worker.problem = f"{answer.reason}: {answer.remedy}"
            return []
        task = worker.tasks[0] if worker.tasks else None
        answer_checks.check(task, answer, self.settings.dim)
        if not is_last(answer):
            return [(worker.tasks[0], answer)]
        worker.alone = False
        done = worker.take_first()
        if isinstance(done, Train):
            # The order worker gets its next task now, if the new head is used.
            for other in filter(lambda other: other.orders, self._workers.values()):
                other.idle_since = time.monotonic()
        if isinstance(answer, NeedsMemory):
            self._needs_memory.append(done)
            return []
        return [(done, answer)]

    def _reap(self, worker: Worker, wrong: str = "") -> list[tuple[Task, Answer]]:
        """Remove a worker that has ended, and return an answer for the task that it was doing.

        There is no answer if the task will be done once more. The other tasks of the worker are
        submitted again. `wrong`: the reason why the pool has ended the worker, if it has.
        """
        status = self._remove(worker)
        answers: list[tuple[Task, Answer]] = []
        if not worker.ready:
            self._starts[worker.for_training].failed(
                time.monotonic(), worker.problem or f"a worker {ending(status)} at its start"
            )
        elif worker.tasks and (current := worker.current()) is not None:
            task = worker.tasks[current]
            del worker.tasks[current]
            answer = Crashed(wrong) if wrong else end_of(status, self._seconds(task))
            if isinstance(answer, Crashed) and isinstance(task, FileTask) and not worker.alone:
                self._suspects.append(task)
            else:
                answers.append((task, answer))
        for task in worker.tasks:
            answers += self._resubmit(task)
        return answers

    def _seconds(self, task: Task) -> int:
        return seconds_of(task, self.settings.file_seconds)

    def _resubmit(self, task: Task) -> list[tuple[Task, Answer]]:
        """Send a task again, now or later. If no worker can be started, return its answer."""
        try:
            if not self.submit(task):
                self._postponed.append(task)
        except NoWorkerError as error:
            return [(task, Interrupted(error.message, error.remedy))]
        return []

    def _remove(self, worker: Worker) -> int:
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        del self._workers[worker.process.pid]
        return worker.close()

    def reap_idle(self, now: float) -> float | None:
        """End the workers that have been idle for longer than `idle_seconds`.

        The trainer is ended as soon as it is idle, because it uses much memory. The order worker
        waits for the end of a training, and for the plan that follows the scores. Returns the time
        at which the pool must end the next idle worker. Returns None if no idle worker is left.
        """
        ends: list[float] = []
        tasks = (task for worker in self._workers.values() for task in worker.tasks)
        is_training = any(isinstance(task, Train) for task in tasks)
        for worker in list(self._workers.values()):
            if worker.tasks or not worker.ready or (worker.orders and is_training):
                continue
            idle_seconds = worker.idle_seconds if worker.for_training else self._idle_seconds
            end = worker.idle_since + idle_seconds
            if end <= now:
                self._end(worker)
            else:
                ends.append(end)
        if self.device is not None and not self._file_workers():
            self.device.end()
        return min(ends, default=None)

    def _end(self, worker: Worker) -> None:
        worker.end()
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


__all__ = ["NoWorkerError", "Pool", "WorkerSettings"]
