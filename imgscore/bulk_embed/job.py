"""The code that runs on a Dask worker. It does not embed files itself. It sends the files to a
worker process of imgscore.

The worker process has limits of time and memory. If a file crashes the worker process, the Dask
worker continues to run. This module does not use a store.
"""

import contextlib
import os
import threading
import time
from collections import deque
from pathlib import Path

import msgspec
from distributed import get_worker, secede

from imgscore.embedders import backends, registry
from imgscore.errors import ImgscoreError
from imgscore.workers.cpus import cpus
from imgscore.workers.frames import frame
from imgscore.workers.messages import Answer, IndexFile, Interrupted, ModelUnavailable, Notice
from imgscore.workers.pool import Pool, WorkerSettings
from imgscore.workers.process import MAX_BYTES

_lock = threading.Lock()
_pools: dict[WorkerSettings, "_SharedPool"] = {}
"""The pools of this process, by their settings. `_lock` protects this dict."""


GATHER_SECONDS = 0.015
"""The time in which answers gather while files wait, as in the engine (`engine/feed.py`)."""
STEP_SECONDS = 0.2
"""The largest number of seconds to wait for answers, before files of other threads are sent."""
LARGE_SHARE = 0.5
"""The share of the machine's memory that the workers for huge images may use together."""


class Job(msgspec.Struct, frozen=True):
    """The settings of one run. All machines get equal settings.

    `folder`: the path of the folder, which is the same on each machine. `embedder`: the id of the
    image embedder that `model` must have. `file_seconds`: the time limit for one file, in seconds.
    """

    folder: bytes
    model: str
    device: str
    embedder: str
    file_seconds: int


def problem(job: Job) -> tuple[str, str] | None:
    """Return (reason, remedy) if this machine cannot do the job. Return None if it can."""
    try:
        embedder = registry.spec(job.model).image_embedder
    except ImgscoreError as error:
        return error.message, error.remedy
    if embedder != job.embedder:
        return (
            f"runs the embedder {embedder}, and not {job.embedder}",
            "install the same imgscore and the same model on every machine",
        )
    if not os.path.isdir(job.folder):
        return (
            f"has no folder {os.fsdecode(job.folder)}",
            "mount the folder under the same path on every machine",
        )
    return None


def embed(job: Job, paths: list[bytes]) -> bytes:
    """Read, hash and embed files. Return the answers as framed messages.

    The returned bytes contain one answer for each path, in the order of `paths`. If the machine
    cannot do the job, they contain only one ModelUnavailable. `workers.frames.take_answers`
    decodes the bytes.
    """
    try:
        unfit = problem(job)
        if unfit is not None:
            raise ImgscoreError(*unfit)
        answers = _pool_for(job).embed(paths)
    except ImgscoreError as error:
        return frame(ModelUnavailable(f"{get_worker().address}: {error.message}", error.remedy))
    return b"".join(frame(answers[path]) for path in paths)


class _Part:
    """The files of one call, and their answers."""

    def __init__(self, paths: list[bytes]) -> None:
        self.waiting = deque(paths)
        self.count = len(paths)
        self.answers: dict[bytes, Answer] = {}
        self.error: ImgscoreError | None = None
        self.has_turn = False
        """whether the thread of this part runs the pool"""
        self.woken = threading.Event()
        """set if the part is sent or done, or if its thread gets the turn"""

    @property
    def is_sent(self) -> bool:
        """Whether all files were sent to workers, or have an answer."""
        return not self.waiting

    @property
    def is_done(self) -> bool:
        return self.error is not None or len(self.answers) == self.count


class _SharedPool:
    """A pool that all threads of this process use, so that one device process serves all of them.

    One thread at a time runs the pool, for the files of all threads, until its own files are done.
    Then the thread of the oldest part runs the pool. The other threads wait, and each of them is
    woken twice: when its files are sent, and when they are done. To wake 64 threads for each answer
    would take longer than the answer.

    When all files of a part are sent, its thread leaves the thread pool of Dask. Dask then starts
    the next part, so that the workers have files while a huge image takes seconds.
    """

    def __init__(self, settings: WorkerSettings, size: int) -> None:
        self._pool = Pool(settings, size, idle_seconds=0.0)
        self._changed = threading.Condition()
        self._runs = False
        """whether a thread runs the pool now, or has its turn"""
        self._parts: deque[_Part] = deque()
        """the parts that are not done, oldest first"""
        self._sent: dict[bytes, list[_Part]] = {}

    def embed(self, paths: list[bytes]) -> dict[bytes, Answer]:
        """Return the answer for each path. Raises ImgscoreError if the model cannot be used."""
        part = _Part(paths)
        with self._changed:
            self._parts.append(part)
            part.has_turn, self._runs = not self._runs, True
        has_left = False
        try:
            while not part.is_done:
                if part.is_sent and not has_left:
                    has_left = True
                    secede()
                elif part.has_turn:
                    self._step()
                else:
                    part.woken.wait()
                    part.woken.clear()
        finally:
            self._end_turn(part)
        if part.error is not None:
            raise part.error
        return part.answers

    def _end_turn(self, part: _Part) -> None:
        """Give the turn to the thread of the oldest part, if the thread of `part` has it."""
        with self._changed:
            with contextlib.suppress(ValueError):  # A part that is done was removed already.
                self._parts.remove(part)
            if not part.has_turn:
                return
            if self._parts:
                self._parts[0].has_turn = True
                self._parts[0].woken.set()
            else:
                self._runs = False
                self._changed.notify_all()

    def _step(self) -> None:
        """Send files of all parts to workers, and process the answers that arrive."""
        with self._changed:
            parts = list(self._parts)
        self._send_files(parts)
        if any(part.waiting for part in parts):
            # The workers are busy. To wait for each answer costs more than to process it.
            time.sleep(GATHER_SECONDS)
            answers = self._pool.answers(0.0)
        else:
            answers = self._pool.answers(STEP_SECONDS)
        for task, answer in answers:
            assert isinstance(task, IndexFile)
            if isinstance(answer, Notice):
                continue
            part = self._sent[task.path].pop(0)
            if not self._sent[task.path]:
                del self._sent[task.path]
            match answer:
                case ModelUnavailable(reason, remedy):
                    part.error = ImgscoreError(reason, remedy)
                # The worker process ended, and this file was not the cause. Try this file again.
                case Interrupted():
                    part.waiting.append(task.path)
                case _:
                    part.answers[task.path] = answer
            if part.is_done:
                self._finish(part)

    def _send_files(self, parts: list[_Part]) -> None:
        """Send as many files as the workers can accept, those of the first parts first."""
        room, tasks = self._pool.room, deque[IndexFile]()
        for part in parts:
            while part.waiting and len(tasks) < room:
                path = part.waiting.popleft()
                tasks.append(IndexFile(path, "", None, stored=False))
                self._sent.setdefault(path, []).append(part)
        problem: ImgscoreError | None = None
        try:
            self._pool.submit_all(tasks)
        except ImgscoreError as error:  # No worker can be started.
            problem = error
        for task in reversed(tasks):  # These files were not sent.
            part = self._sent[task.path].pop()
            if not self._sent[task.path]:
                del self._sent[task.path]
            part.waiting.appendleft(task.path)
            if problem is not None:
                part.error = problem
                self._finish(part)
        for part in parts:
            if part.is_sent:
                part.woken.set()

    def _finish(self, part: _Part) -> None:
        """Let the thread of a part that is done return."""
        with self._changed, contextlib.suppress(ValueError):  # Another answer removed it.
            self._parts.remove(part)
        part.woken.set()

    def close(self) -> None:
        """End the worker processes."""
        with self._changed:
            self._changed.wait_for(lambda: not self._runs)
            self._pool.close()


def _pool_for(job: Job) -> _SharedPool:
    """Return the pool of this process for the settings of a job."""
    threads = get_worker().state.nthreads
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    settings = WorkerSettings(
        Path(),
        Path(),
        job.model,
        job.device,
        job.file_seconds,
        job.embedder,
        batches=backends.uses_device_process(job.device),
        large_workers=large_workers(memory, threads / cpus()),
    )
    with _lock:
        if settings not in _pools:
            _pools[settings] = _SharedPool(settings, threads)
        return _pools[settings]


def large_workers(memory: int, share: float) -> int:
    """Return how many worker processes of a Dask worker may decode huge images at the same time.

    `memory`: the memory of the machine in bytes. `share`: the number of threads of the Dask worker,
    divided by the number of CPUs: a machine may run several Dask workers.
    """
    return max(1, int(LARGE_SHARE * memory * min(1.0, share) / MAX_BYTES))


def close_idle_pools() -> None:
    """Close all pools, which ends their worker processes.

    Without this call, these processes would run as long as the Dask worker runs, possibly for
    weeks.
    """
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()
