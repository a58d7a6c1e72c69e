"""The code that runs on a Dask worker. It does not embed files itself. It sends the files to a
worker process of imgscore.

The worker process has limits of time and memory. If a file crashes the worker process, the Dask
worker continues to run. This module does not use a store.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from distributed import get_worker

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.workers.messages import (
    Answer,
    IndexFile,
    Interrupted,
    ModelUnavailable,
    Notice,
    frame,
)
from imgscore.workers.pool import Pool, WorkerSettings

_lock = threading.Lock()
_idle_pools: dict[WorkerSettings, list[Pool]] = {}
"""The pools that no thread uses at present, by their settings. Each pool has at most one worker
process. `_lock` protects this dict."""


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
    cannot do the job, they contain only one ModelUnavailable. `workers.messages.take_answers`
    decodes the bytes.
    """
    try:
        unfit = problem(job)
        if unfit is not None:
            raise ImgscoreError(*unfit)
        with _pool(job) as pool:
            answers = _embed(pool, paths)
    except ImgscoreError as error:
        return frame(ModelUnavailable(f"{get_worker().address}: {error.message}", error.remedy))
    return b"".join(frame(answers[path]) for path in paths)


def _embed(pool: Pool, paths: list[bytes]) -> dict[bytes, Answer]:
    pending = deque(paths)
    answers: dict[bytes, Answer] = {}
    while len(answers) < len(paths):
        while pending and pool.has_room():
            pool.submit(IndexFile(pending.popleft(), "", None, stored=False))
        for task, answer in pool.answers(None):
            assert isinstance(task, IndexFile)
            match answer:
                case Notice():
                    pass
                case ModelUnavailable(reason, remedy):
                    raise ImgscoreError(reason, remedy)
                # The worker process ended, and this file was not the cause. Try this file again.
                case Interrupted():
                    pending.append(task.path)
                case _:
                    answers[task.path] = answer
    return answers


@contextmanager
def _pool(job: Job) -> Iterator[Pool]:
    """Return a context manager for a pool that only this thread uses.

    If the block ends without an error, the pool is kept for the next call. If the block raises an
    error, the pool is closed.
    """
    settings = WorkerSettings(Path(), Path(), job.model, job.device, job.file_seconds, job.embedder)
    with _lock:
        idle = _idle_pools.get(settings)
        pool = idle.pop() if idle else Pool(settings, 1, idle_seconds=0.0)
    try:
        yield pool
    except BaseException:
        pool.close()
        raise
    with _lock:
        _idle_pools.setdefault(settings, []).append(pool)


def close_idle_pools() -> None:
    """Close all pools in `_idle_pools`, which ends their worker processes.

    Without this call, these processes would run as long as the Dask worker runs, possibly for
    weeks.
    """
    with _lock:
        pools = [pool for idle in _idle_pools.values() for pool in idle]
        _idle_pools.clear()
    for pool in pools:
        pool.close()
