"""Send the files of a folder to Dask workers in parts, and store the results.

First, the verb `embed` looks up which files have no embedding yet. A second run therefore does not
embed a file again. Only a few parts are sent at a time, enough to keep the workers busy.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from distributed import Client, Future, KilledWorker, as_completed

from imgscore.bulk_embed import job as worker_side
from imgscore.bulk_embed.job import Job
from imgscore.bulk_embed.rows import FailedFile, FolderEmbedded, Response
from imgscore.errors import ImgscoreError
from imgscore.messages import Message, Progress, Result
from imgscore.reconcile.walk import ImageFile, Unlisted, walk
from imgscore.store.schema import Fingerprint
from imgscore.verbs import embed
from imgscore.verbs.base import display_path
from imgscore.verbs.embed import EmbeddedFile
from imgscore.verbs.score import problem_of
from imgscore.workers.messages import Answer, FileIndexed, ModelUnavailable, take_answers

Ask = Callable[[embed.Request], embed.Response]
"""A function that runs the verb `embed`, in the daemon or in this process."""

FILES_PER_PART = 16
"""The largest number of files of one Dask task. The work on them takes about a third of a second,
which is long compared with the delay of the network. If a worker crashes, these files are embedded
again."""
PARTS_PER_THREAD = 3
"""The number of parts that are sent for each thread of the cluster. The thread works on one part,
and the other parts wait for the thread."""
PATHS_PER_REQUEST = 500
"""The largest number of files in one lookup in the store. Even with long paths, such a lookup is
smaller than the size limit of a request."""
MAX_MISSING = 200_000
"""The largest number of files without an embedding in memory, at 100 bytes each. If this number is
reached, the walk pauses."""
BYTES_PER_REQUEST = 2 * 2**20
"""The number of bytes of vectors in one request. Encoded in base64, they are smaller than the size
limit of a request."""
WAIT_SECONDS = 60
"""The largest number of seconds to wait until the scheduler has a worker."""
MAX_DEATHS = 3
"""The number of crashes of Dask workers after which the run ends. The crashes are counted for each
part."""
REMEDY_GO_ON = "run the same command again: it goes on from there"


def embed_folder(client: Client, job: Job, ask: Ask) -> Iterator[Message[Response]]:
    """Embed the images under `job.folder` that have no embedding yet.

    Yields a row for each failure, and a row of counts at the end. Raises ImgscoreError if a worker
    of the cluster cannot do the job, or if the scheduler has stopped.
    """
    _check_cluster(client, job)
    try:
        yield from _Run(client, job, ask).run()
    finally:
        with contextlib.suppress(Exception):  # Without a scheduler, there are no pools to close.
            client.run(worker_side.close_idle_pools)


def _check_cluster(client: Client, job: Job) -> None:
    """Raise ImgscoreError if there is no worker, or if one of the workers cannot do the job."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        raise ImgscoreError(
            "the scheduler has no workers",
            f"start a worker: dask worker {client.scheduler_info()['address']}",
        ) from None
    for worker, unfit in client.run(worker_side.problem, job, on_error="return").items():
        if isinstance(unfit, BaseException):
            raise _other_version(f"{worker}: {unfit!r}")
        if unfit is not None:
            reason, remedy = unfit
            raise ImgscoreError(f"the worker {worker} {reason}", remedy)


def _other_version(reason: str) -> ImgscoreError:
    return ImgscoreError(
        reason, "on every machine, install the same version with: pip install 'imgscore[dask]'"
    )


class _Part(NamedTuple):
    """The files of one Dask task.

    `files`: the path and the fingerprint of each file. `deaths`: the number of times that Dask's
    workers crashed with this part.
    """

    files: list[tuple[bytes, Fingerprint]]
    deaths: int = 0


class _Run:
    """One run over one folder, with its counts and the parts that are running."""

    def __init__(self, client: Client, job: Job, ask: Ask) -> None:
        self._client = client
        self._job = job
        self._ask = ask
        self._entries: Iterator[ImageFile | Unlisted] | None = walk(job.folder)
        self._missing: deque[tuple[bytes, Fingerprint]] = deque()
        self._running: dict[Future, _Part] = {}
        self._completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._files = self._done = self._embedded = self._known = self._failed = 0

    def run(self) -> Iterator[Message[Response]]:
        while True:
            yield from self._find_missing()
            self._hand_out()
            yield Progress("embedding", self._done, self._files)
            if not self._running:
                break
            yield from self._store_results(self._completed.next_batch())
        yield Result(
            FolderEmbedded(
                files=self._files,
                embedded=self._embedded,
                known=self._known,
                failed=self._failed,
            )
        )

    @property
    def _max_running(self) -> int:
        """Return the number of parts that keep the cluster busy at its present size."""
        threads: int = sum(self._client.nthreads().values())
        return PARTS_PER_THREAD * max(1, threads)

    def _find_missing(self) -> Iterator[Message[Response]]:
        """Continue the walk until `_missing` has enough files for the whole cluster, or the walk
        ends.

        Yield a row for each folder that cannot be listed.
        """
        enough = self._max_running * FILES_PER_PART
        while self._entries is not None and len(self._missing) < MAX_MISSING:
            entries = list(islice(self._entries, PATHS_PER_REQUEST))
            if not entries:
                self._entries = None
                break
            for entry in entries:
                if isinstance(entry, Unlisted):
                    yield self._failure(entry.path, f"cannot be listed: {entry.reason}")
            yield from self._look_up([file for file in entries if isinstance(file, ImageFile)])
            if len(self._missing) >= enough:
                break

    def _look_up(self, files: list[ImageFile]) -> Iterator[Message[Response]]:
        """Add the files that have no embedding in the store to `_missing`.

        Yield a row for each file that failed earlier.
        """
        listed = tuple((display_path(file.path), file.seen) for file in files)
        answer = self._ask(embed.Request(self._job.embedder, listed=listed))
        self._files += len(files)
        self._done += len(files) - len(answer.lacking)
        self._known += len(files) - len(answer.lacking) - len(answer.failed)
        for failure in answer.failed:
            path = files[failure.position].path
            yield self._failure(path, f"{failure.reason}: {failure.remedy}")
        for position in answer.lacking:
            self._missing.append((files[position].path, files[position].seen))

    def _hand_out(self) -> None:
        while self._missing and len(self._running) < self._max_running:
            count = min(FILES_PER_PART, len(self._missing))
            self._submit(_Part([self._missing.popleft() for _ in range(count)]))

    def _submit(self, part: _Part) -> None:
        paths = [path for path, _ in part.files]
        future = self._client.submit(worker_side.embed, self._job, paths, pure=False)
        self._running[future] = part
        self._completed.add(future)

    def _store_results(self, batch: list[tuple[Future, Any]]) -> Iterator[Message[Response]]:
        embedded: list[EmbeddedFile] = []
        for future, result in batch:
            part = self._running.pop(future)
            # Do not use the status of the future here. The status is "lost" if the worker ends
            # after its result has arrived.
            if not isinstance(result, bytes):
                self._hand_out_again(future, part)
                continue
            answers = take_answers(bytearray(result))
            if isinstance(answers[0], ModelUnavailable):
                raise ImgscoreError(f"the worker {answers[0].reason}", answers[0].remedy)
            for (path, seen), answer in zip(part.files, answers, strict=True):
                yield from self._count(path, answer)
                if isinstance(answer, FileIndexed):
                    embedded.append(_embedded_file(path, seen, answer))
        while embedded:
            size = count = 0
            while count < len(embedded) and size < BYTES_PER_REQUEST:
                size += len(embedded[count].vector or b"")
                count += 1
            self._ask(embed.Request(self._job.embedder, found=tuple(embedded[:count])))
            del embedded[:count]

    def _count(self, path: bytes, answer: Answer) -> Iterator[Message[Response]]:
        self._done += 1
        problem = problem_of(answer)
        if problem is None:
            self._embedded += 1
        else:
            yield self._failure(path, problem)

    def _hand_out_again(self, future: Future, part: _Part) -> None:
        """Submit a part again if the Dask workers of the part crashed.

        Raise ImgscoreError for any other error, or if there were MAX_DEATHS crashes.
        """
        if future.status != "error":
            raise ImgscoreError("the scheduler is gone", REMEDY_GO_ON)
        error = future.exception()
        if not isinstance(error, KilledWorker):
            raise _other_version(f"a worker failed: {error!r}")
        if part.deaths + 1 == MAX_DEATHS:
            raise ImgscoreError("the workers keep dying", f"see their logs, then {REMEDY_GO_ON}")
        self._submit(part._replace(deaths=part.deaths + 1))

    def _failure(self, path: bytes, error: str) -> Result[Response]:
        self._failed += 1
        return Result(FailedFile(display_path(path), error))


def _embedded_file(path: bytes, seen: Fingerprint, answer: FileIndexed) -> EmbeddedFile:
    return EmbeddedFile(
        path=display_path(path),
        seen=seen,
        digest=answer.digest,
        vector=answer.vector,
        traits=answer.traits,
        reason=answer.failure.reason if answer.failure else "",
        remedy=answer.failure.remedy if answer.failure else "",
    )
