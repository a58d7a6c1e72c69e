"""On a Dask worker: a part of an archive, embedded by a worker process of imgscore's own.

That process keeps its limits of time and memory, and dies alone of a file that kills its decoder:
the Dask worker lives on. Nothing here knows of a store.
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
_resting: dict[WorkerSettings, list[Pool]] = {}
"""pools of one process each, which no thread uses now"""


class Job(msgspec.Struct, frozen=True):
    """What all workers must agree on. `folder` has the same path on every machine."""

    folder: bytes
    model: str
    device: str
    embedder: str
    file_seconds: int


def problem(request: Job) -> tuple[str, str] | None:
    """(what, remedy) where this machine cannot do the job as the others do it."""
    try:
        found = registry.spec(request.model).image_embedder
    except ImgscoreError as error:
        return error.message, error.remedy
    if found != request.embedder:
        return (
            f"runs the embedder {found}, and not {request.embedder}",
            "install the same imgscore and the same model on every machine",
        )
    if not os.path.isdir(request.folder):
        return (
            f"has no folder {os.fsdecode(request.folder)}",
            "mount the archive under the same path on every machine",
        )
    return None


def embed(request: Job, paths: list[bytes]) -> bytes:
    """Read, hash and embed files: a framed answer for each, in their order, or one Stuck.

    `tasks.take_answers` undoes the framing.
    """
    try:
        found = problem(request)
        if found is not None:
            raise ImgscoreError(*found)
        with _borrowed(request) as pool:
            answers = _embed(pool, paths)
    except ImgscoreError as error:
        return frame(ModelUnavailable(f"{get_worker().address}: {error.message}", error.remedy))
    return b"".join(frame(answers[path]) for path in paths)


def _embed(pool: Pool, paths: list[bytes]) -> dict[bytes, Answer]:
    waiting = deque(paths)
    answers: dict[bytes, Answer] = {}
    while len(answers) < len(paths):
        while waiting and pool.has_room():
            pool.submit(IndexFile(waiting.popleft(), "", None, stored=False))
        for task, answer in pool.answers(None):
            assert isinstance(task, IndexFile)
            match answer:
                case Notice():
                    pass
                case ModelUnavailable(reason, remedy):
                    raise ImgscoreError(reason, remedy)
                case Interrupted():  # of another file
                    waiting.append(task.path)
                case _:
                    answers[task.path] = answer
    return answers


@contextmanager
def _borrowed(request: Job) -> Iterator[Pool]:
    """A pool for one thread; closed where something went wrong, else kept for the next part."""
    settings = WorkerSettings(
        Path(), Path(), request.model, request.device, request.file_seconds, request.embedder
    )
    with _lock:
        resting = _resting.get(settings)
        pool = resting.pop() if resting else Pool(settings, 1, idle_seconds=0.0)
    try:
        yield pool
    except BaseException:
        pool.close()
        raise
    with _lock:
        _resting.setdefault(settings, []).append(pool)


def let_go() -> None:
    """End the processes that have nothing to do: a Dask worker may live for weeks."""
    with _lock:
        pools = [pool for resting in _resting.values() for pool in resting]
        _resting.clear()
    for pool in pools:
        pool.close()
