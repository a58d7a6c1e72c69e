"""Hand out an archive's files to Dask workers in parts, and what they find to the one store.

The store says what it lacks, so that a second run repeats nothing that the first has handed in.
Only as many files are held as keep the workers busy.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from distributed import Client, Future, KilledWorker, as_completed

from imgscore.bulk_embed import job
from imgscore.bulk_embed.job import Job
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
"""Carries out the verb `embed`, by the daemon or in this process."""

# Files a part: enough to hide the network (a third of a second), few enough to lose with a worker.
FILES_A_PART = 16
# Parts handed out for each thread of the cluster: one at work, and more so that it never waits.
PARTS_A_THREAD = 3
# Files of which the store is asked at a time: long paths, too, fit into a request of the daemon's.
PATHS_BATCH = 500
# Files known to be lacking before the walk pauses: 100 bytes each.
MAX_LACKING = 200_000
# Bytes of vectors handed in at a time; in base64 they fit well into a request of the daemon's.
BYTES_A_BATCH = 2 * 2**20
WAIT_SECONDS = 60
# A part that has gone down with its workers so often is not handed out again.
MAX_DEATHS = 3
REMEDY_GO_ON = "run the same command again: it goes on from there"


class FailedFile(msgspec.Struct):
    """A file that could not be embedded, or a folder that could not be listed."""

    path: str
    """the file or folder"""
    error: str
    """what is wrong, and what to do"""


class ArchiveEmbedded(msgspec.Struct):
    """The last row: what was done."""

    files: int
    """images in the folder"""
    embedded: int
    """images that were embedded now"""
    known: int
    """images that had an embedding before"""
    failed: int
    """files that failed; each has a row of its own"""
    error: str | None = None
    """always null"""


Response = FailedFile | ArchiveEmbedded


def embed_archive(client: Client, request: Job, ask: Ask) -> Iterator[Message[Response]]:
    """Embed what is lacking under `job.folder`: a row a failure, then one row of counts.

    Raises ImgscoreError where the cluster is not fit for it, or is gone.
    """
    _check(client, request)
    try:
        yield from _Spread(client, request, ask).run()
    finally:
        with contextlib.suppress(Exception):  # a cluster that is gone has let go
            client.run(job.let_go)


def _check(client: Client, request: Job) -> None:
    """Raise ImgscoreError unless there are workers, and all embed as this machine does."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        raise ImgscoreError(
            "the scheduler has no workers",
            f"start some: dask worker {client.scheduler_info()['address']}",
        ) from None
    for worker, found in client.run(job.problem, request, on_error="return").items():
        if isinstance(found, BaseException):
            raise _not_ours(f"{worker}: {found!r}")
        if found is not None:
            raise ImgscoreError(f"the worker {worker} {found[0]}", found[1])


def _not_ours(what: str) -> ImgscoreError:
    return ImgscoreError(what, "install the same imgscore, with its extra dask, on every machine")


class _Part(NamedTuple):
    """Files that are handed out together, and how often their workers were given up."""

    files: list[tuple[bytes, Fingerprint]]
    deaths: int = 0


class _Spread:
    """One run over one archive."""

    def __init__(self, client: Client, request: Job, ask: Ask) -> None:
        self._client = client
        self._job = request
        self._ask = ask
        self._entries: Iterator[ImageFile | Unlisted] | None = walk(request.folder)
        self._lacking: deque[tuple[bytes, Fingerprint]] = deque()
        self._out: dict[Future, _Part] = {}
        self._ready = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._files = self._done = self._embedded = self._known = self._failed = 0

    def run(self) -> Iterator[Message[Response]]:
        while True:
            yield from self._look_ahead()
            self._hand_out()
            yield Progress("embedding", self._done, self._files)
            if not self._out:
                break
            yield from self._take_in(self._ready.next_batch())
        yield Result(
            ArchiveEmbedded(
                files=self._files,
                embedded=self._embedded,
                known=self._known,
                failed=self._failed,
            )
        )

    @property
    def _most_out(self) -> int:
        """Parts that the cluster, as it is now, can be busy with."""
        threads: int = sum(self._client.nthreads().values())
        return PARTS_A_THREAD * max(1, threads)

    def _look_ahead(self) -> Iterator[Message[Response]]:
        """Walk on, by a slice; further where the workers would wait for it."""
        enough = self._most_out * FILES_A_PART
        while self._entries is not None and len(self._lacking) < MAX_LACKING:
            entries = list(islice(self._entries, PATHS_BATCH))
            if not entries:
                self._entries = None
                break
            found = [entry for entry in entries if isinstance(entry, ImageFile)]
            for entry in entries:
                if isinstance(entry, Unlisted):
                    yield self._failure(entry.path, f"cannot be listed: {entry.reason}")
            yield from self._sort_out(found)
            if len(self._lacking) >= enough:
                break

    def _sort_out(self, found: list[ImageFile]) -> Iterator[Message[Response]]:
        listed = tuple((display_path(file.path), file.seen) for file in found)
        answer = self._ask(embed.Request(self._job.embedder, listed=listed))
        self._files += len(found)
        self._done += len(found) - len(answer.lacking)
        self._known += len(found) - len(answer.lacking) - len(answer.failed)
        for failure in answer.failed:
            path = found[failure.position].path
            yield self._failure(path, f"{failure.reason}: {failure.remedy}")
        for position in answer.lacking:
            self._lacking.append((found[position].path, found[position].seen))

    def _hand_out(self) -> None:
        while self._lacking and len(self._out) < self._most_out:
            count = min(FILES_A_PART, len(self._lacking))
            self._submit(_Part([self._lacking.popleft() for _ in range(count)]))

    def _submit(self, one: _Part) -> None:
        paths = [path for path, _ in one.files]
        future = self._client.submit(job.embed, self._job, paths, pure=False)
        self._out[future] = one
        self._ready.add(future)

    def _take_in(self, batch: list[tuple[Future, Any]]) -> Iterator[Message[Response]]:
        found: list[EmbeddedFile] = []
        for future, result in batch:
            one = self._out.pop(future)
            # Not by the future's status: with its worker, a result is lost that we have by now.
            if not isinstance(result, bytes):
                self._mend(future, one)
                continue
            answers = take_answers(bytearray(result))
            if isinstance(answers[0], ModelUnavailable):
                raise ImgscoreError(f"the worker {answers[0].reason}", answers[0].remedy)
            for (path, seen), answer in zip(one.files, answers, strict=True):
                yield from self._count(path, answer)
                if isinstance(answer, FileIndexed):
                    found.append(_embedded(path, seen, answer))
        while found:
            size, some = 0, 0
            while some < len(found) and size < BYTES_A_BATCH:
                size += len(found[some].vector or b"")
                some += 1
            self._ask(embed.Request(self._job.embedder, found=tuple(found[:some])))
            del found[:some]

    def _count(self, path: bytes, answer: Answer) -> Iterator[Message[Response]]:
        self._done += 1
        problem = problem_of(answer)
        if problem is None:
            self._embedded += 1
        else:
            yield self._failure(path, problem)

    def _mend(self, future: Future, one: _Part) -> None:
        """Hand a part out again that went down with several workers; else say what is wrong."""
        if future.status != "error":
            raise ImgscoreError("the scheduler is gone", REMEDY_GO_ON)
        error = future.exception()
        if not isinstance(error, KilledWorker):
            raise _not_ours(f"a worker failed: {error!r}")
        if one.deaths + 1 == MAX_DEATHS:
            raise ImgscoreError("the workers keep dying", f"see their logs, then {REMEDY_GO_ON}")
        self._submit(one._replace(deaths=one.deaths + 1))

    def _failure(self, path: bytes, error: str) -> Result[Response]:
        self._failed += 1
        return Result(FailedFile(display_path(path), error))


def _embedded(path: bytes, seen: Fingerprint, answer: FileIndexed) -> EmbeddedFile:
    return EmbeddedFile(
        path=display_path(path),
        seen=seen,
        digest=answer.digest,
        vector=answer.vector,
        traits=answer.traits,
        reason=answer.reason,
        remedy=answer.remedy,
    )
