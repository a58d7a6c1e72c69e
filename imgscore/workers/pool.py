"""The parent's side of the workers: start them when there is work, end them when there is none.

A worker that dies costs the file that it held, and nothing else. No thread: the caller waits in
`answers`, which can wake for its own descriptors too.
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
    Interrupted,
    NeedsMemory,
    Notice,
    OfOneFile,
    Plan,
    Planned,
    Ready,
    Scored,
    Task,
    take_answers,
)
from imgscore.workers.process import QUEUE_DEPTH, Assignment, NoWorkerError, Worker, WorkerSettings
from imgscore.workers.queries import QueryRows

FAILED_STARTS = 3
# Bytes of answers at a time: what follows from them is done before more are read.
MAX_READ = 1 << 18


class Pool:
    """At most `size` embedding workers, and one more for training. Use as a context manager."""

    def __init__(self, settings: WorkerSettings, size: int, idle_seconds: float) -> None:
        self.settings = settings
        self._size = size
        self._idle_seconds = idle_seconds
        self._workers: dict[int, Worker] = {}
        self._needs_memory: deque[Assignment] = deque()
        """files that wait for the one worker that may take much memory"""
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    @property
    def busy(self) -> int:
        """How many tasks have no answer yet."""
        assignment = {id(one): one for worker in self._workers.values() for one in worker.tasks}
        return sum(not one.done for one in assignment.values()) + len(self._needs_memory)

    @property
    def alive(self) -> int:
        """How many worker processes there are."""
        return len(self._workers)

    @property
    def trainer_busy(self) -> bool:
        """Whether the one worker that looks at no files has something to do."""
        return any(worker.for_training and worker.tasks for worker in self._workers.values())

    def pids(self) -> list[int]:
        """The workers' process ids."""
        return list(self._workers)

    def tasks(self, pid: int) -> list[Task]:
        """What a worker holds, the task it is at first."""
        return [assignment.task for assignment in self._workers[pid].tasks]

    def _looking(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if not worker.for_training]

    def has_room(self) -> bool:
        """Whether another file can be handed out without waiting."""
        looking = self._looking()
        return len(looking) < self._size or any(len(one.tasks) < QUEUE_DEPTH for one in looking)

    def submit(self, task: Task) -> bool:
        """Hand out a task; False when every worker is full. Training gets a worker of its own."""
        return self._submit(Assignment(task))

    def _submit(self, assignment: Assignment) -> bool:
        task = assignment.task
        if isinstance(task, Plan):
            self._end_learned()
        training = not isinstance(task, OfOneFile)
        mates = [worker for worker in self._workers.values() if worker.for_training == training]
        free = [worker for worker in mates if worker.is_free(task)]
        idle = next((worker for worker in free if not worker.tasks), None)
        if idle is None and len(mates) < (1 if training else self._size):
            idle = self._start(training)
        chosen = idle or min(free, key=lambda worker: len(worker.tasks), default=None)
        if chosen is None:
            return False
        chosen.send(assignment)
        return True

    def _end_learned(self) -> None:
        """A plan needs nothing of what learning and scoring have loaded, and much of its own."""
        for worker in list(self._workers.values()):
            if worker.for_training and worker.ready and not worker.tasks:
                self._end(worker)

    def warm_up(self) -> None:
        """A file will come soon: let a worker load what it needs, where there is none."""
        if not self._looking():
            with contextlib.suppress(NoWorkerError):  # whoever brings the file will say so
                self._start(for_training=False)

    def _start(self, for_training: bool) -> Worker:
        low_memory = not for_training and any(not worker.low_memory for worker in self._looking())
        worker = process.start(self.settings, for_training=for_training, low_memory=low_memory)
        self._workers[worker.process.pid] = worker
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        """Wait at most `timeout` seconds (None: for ever) for answers, or until `wake` is readable.

        Raises ImgscoreError when workers cannot be started at all.
        """
        self._steal()
        if wake is not None:
            self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            events = self._selector.select(timeout)
        finally:
            if wake is not None:
                self._selector.unregister(wake)
        found: list[tuple[Task, Answer]] = []
        for key, _ in events:
            if isinstance(key.data, Worker):
                found += self._read(key.data)
        return found + self._escalate()

    def _steal(self) -> None:
        """Give idle workers what waits behind others' long tasks: the first to answer counts."""
        for idle in self._looking():
            if idle.tasks or not idle.ready:
                continue
            others = (assignment for worker in self._looking() for assignment in worker.stealable())
            assignment = next(
                (one for one in others if not (one.needs_memory and idle.low_memory)), None
            )
            if assignment is None:
                return
            idle.send(assignment)

    def _escalate(self) -> list[tuple[Task, Answer]]:
        """Give the worker that may take much memory what needs it; it is started where there is
        none. Returns what cannot be handed on now.
        """
        able = next((worker for worker in self._looking() if not worker.low_memory), None)
        try:
            while self._needs_memory and (able is None or len(able.tasks) < QUEUE_DEPTH):
                able = able or self._start(for_training=False)
                able.send(self._needs_memory.popleft())
        except NoWorkerError:
            left = [(assignment.task, Interrupted()) for assignment in self._needs_memory]
            self._needs_memory.clear()
            return [*left]
        return []

    def _read(self, worker: Worker) -> list[tuple[Task, Answer]]:
        assert worker.process.stdout is not None
        found: list[tuple[Task, Answer]] = []
        try:
            data = os.read(worker.process.stdout.fileno(), MAX_READ)
        except BlockingIOError:
            return found
        worker.buffer += data
        for answer in take_answers(worker.buffer):
            if isinstance(answer, Ready):
                worker.ready, self._failed_starts = True, 0
                worker.idle_since = time.monotonic()
            elif _ends_the_task(answer):
                assignment = worker.tasks.popleft()
                assignment.holders -= 1
                worker.idle_since = time.monotonic()
                found += self._answered(assignment, answer)
            elif not worker.tasks[0].done:
                found.append((worker.tasks[0].task, answer))
        if not data:
            found += self._reap(worker)
        return found

    def _answered(self, assignment: Assignment, answer: Answer) -> list[tuple[Task, Answer]]:
        """What is said of a task, unless another worker has said it before."""
        if assignment.done:
            return []
        if isinstance(answer, NeedsMemory):
            assignment.needs_memory = True
            if not assignment.holders:
                self._needs_memory.append(assignment)
            return []
        assignment.done = True
        for worker in self._looking() if assignment.holders else ():
            if assignment in worker.tasks:
                worker.cancel(assignment)
        return [(assignment.task, answer)]

    def _reap(self, worker: Worker) -> list[tuple[Task, Answer]]:
        """A worker has ended: blame the task it held, hand the others out again."""
        status = self._remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise ImgscoreError(
                    f"a worker cannot be started (exit status {status})",
                    "its message stands above; see also: imgscore doctor",
                )
        for assignment in worker.tasks:
            assignment.holders -= 1
        blamed: list[tuple[Task, Answer]] = []
        if worker.tasks and worker.ready:
            end = _end_of(status, self.settings.file_seconds)
            blamed += self._answered(worker.tasks.popleft(), end)
        for assignment in worker.tasks:
            if assignment.done or assignment.holders:
                continue
            if assignment.needs_memory:
                self._needs_memory.append(assignment)
            elif not self._resubmit(assignment):
                blamed += self._answered(assignment, Interrupted())
        return blamed

    def _resubmit(self, assignment: Assignment) -> bool:
        """Hand a task out again; False where nobody can take it now."""
        try:
            return self._submit(assignment)
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
        """End workers that have been idle too long; returns when the next one will be, or None.

        A training worker ends as soon as it is done: what it read is worth more than its start.
        """
        reader: list[float] = []
        for worker in list(self._workers.values()):
            if worker.tasks or not worker.ready:
                continue
            until = worker.idle_since + (0 if worker.for_training else self._idle_seconds)
            if until <= now:
                self._end(worker)
            else:
                reader.append(until)
        return min(reader, default=None)

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
        case Notice():
            return False
        case Scored(last=last) | QueryRows(last=last) | Planned(last=last):
            return last
        case _:
            return True


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def _end_of(status: int, seconds: int) -> Crashed | Interrupted:
    """The answer for the task of a worker that has ended; a logout, too, ends workers."""
    if status in (-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        return Interrupted()
    if status == -signal.SIGALRM:
        return Crashed(f"takes longer than {seconds} s")
    if status == -signal.SIGKILL:
        return Crashed("was killed, most likely for want of memory")
    if status < 0:
        return Crashed(f"crashes the decoder ({signal.Signals(-status).name})")
    return Crashed(f"ends the worker (exit status {status}; the log says more)")


__all__ = ["NoWorkerError", "Pool", "WorkerSettings", "cpus"]
