"""Send the files of a folder to Dask workers in parts, and store the results.

Before a file is sent, the verb `embed` looks up whether the store has its embedding. A second run
therefore does not embed the file again. Only a few parts are sent at a time: enough to keep the
Dask workers busy.
"""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from imgscore.workers.frames import take_answers
from imgscore.workers.messages import Answer, FileIndexed, ModelUnavailable

Ask = Callable[[embed.Request], embed.Response]
"""A function that sends a request to the verb `embed`, and returns the response. The verb runs in
the daemon, or in this process."""

MIN_FILES = 16
"""The smallest number of files of one Dask task, for each thread of the Dask worker. The threads
share the files of a task, so that few tasks are needed: Dask uses 2.6 ms for each of them."""
MAX_FILES = 2000
"""The largest number of files of one Dask task. Their vectors have some 10 MB. If a Dask worker
crashes, all files of its tasks are embedded again."""
BATCH_SECONDS = 1.0
"""The number of seconds that a Dask worker needs for one task, if the limits above allow it."""
PARTS_PER_WORKER = 3
"""The number of tasks of a Dask worker: it embeds the files of one, the results of another are
stored, and the third one waits. Overtaken tasks are not counted."""
MAX_PARTS_PER_WORKER = 16
"""The largest number of tasks of a Dask worker, with the overtaken ones. A task is overtaken if a
later task has ended: it waits for a huge image, for which not every worker process has the memory.
The vectors of an overtaken task wait in the memory of the Dask worker (see MAX_FILES)."""
PATHS_PER_REQUEST = 500
"""The largest number of files in one lookup in the store. Even if the paths are long, the request
of one lookup is smaller than the size limit of a request."""
MAX_MISSING = 200_000
"""The largest number of files that wait in memory to be embedded. Each file uses 100 bytes. If this
number is reached, the walk through the folder pauses."""
BYTES_PER_REQUEST = 2 * 2**20
"""The number of bytes of vectors after which a request is full. In base64, these vectors are
smaller than the size limit of a request."""
WAIT_SECONDS = 60
"""The largest number of seconds to wait for the first Dask worker."""
MAX_DEATHS = 3
"""The number of failures of the same part after which the run ends with an error. Only failures
because of crashed Dask workers are counted."""
REMEDY_GO_ON = "run the same command again: it goes on from there"


def embed_folder(client: Client, job: Job, ask: Ask) -> Iterator[Message[Response]]:
    """Embed the images under `job.folder` that have no embedding yet.

    Yields a row for each failure, and a row of counts at the end. Raises ImgscoreError if a Dask
    worker cannot do the job, or if the scheduler has stopped.
    """
    _check_cluster(client, job)
    try:
        yield from _Run(client, job, ask).run()
    finally:
        with contextlib.suppress(Exception):  # If the scheduler has stopped, ignore the error.
            client.run(worker_side.close_idle_pools)


def _check_cluster(client: Client, job: Job) -> None:
    """Raise ImgscoreError if there is no Dask worker, or if a Dask worker cannot do the job."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        raise ImgscoreError(
            "the Dask scheduler has no workers",
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

    `files`: the path and the fingerprint of each file. `address`: the Dask worker that gets the
    task, if it still runs. `number`: the parts are numbered in the order in which they are sent.
    `deaths`: the number of times that this part has failed because Dask workers crashed.
    """

    files: list[tuple[bytes, Fingerprint]]
    address: str
    number: int = 0
    deaths: int = 0


def room_for_parts(
    addresses: Iterable[str], running: Iterable[tuple[str, int]], newest: Mapping[str, int]
) -> dict[str, int]:
    """Return how many further parts each Dask worker of `addresses` can get now.

    `running`: the address and the number of each part without a result. `newest`: the largest
    number of a part that has ended, for each address.
    """
    count: Counter[str] = Counter()
    overtaken: Counter[str] = Counter()
    for address, number in running:
        count[address] += 1
        overtaken[address] += number < newest.get(address, 0)
    return {
        address: min(PARTS_PER_WORKER + overtaken[address], MAX_PARTS_PER_WORKER) - count[address]
        for address in addresses
    }


class _Run:
    """One run of `embed_folder`.

    It has the counts of files, and the parts that were sent and have no result yet.
    """

    def __init__(self, client: Client, job: Job, ask: Ask) -> None:
        self._client = client
        self._job = job
        self._ask = ask
        self._entries: Iterator[ImageFile | Unlisted] | None = walk(job.folder)
        self._missing: deque[tuple[bytes, Fingerprint]] = deque()
        self._running: dict[Future, _Part] = {}
        self._sent = 0
        """the number of parts that were sent"""
        self._newest: dict[str, int] = {}
        """the largest number of a part that has ended, for the address of each Dask worker"""
        self._completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._files = self._done = self._embedded = self._known = self._failed = 0
        self._threads: dict[str, int] = {}
        """the number of threads of each Dask worker at present, by its address"""
        self._began = 0.0
        """the time at which the first part was sent, in monotonic seconds"""
        self._answered = 0
        """the number of files with an answer"""

    def run(self) -> Iterator[Message[Response]]:
        while True:
            # Workers may join the cluster at any time. The question to the scheduler takes 2 ms.
            # Without a worker, a task waits for the next one.
            self._threads = self._client.nthreads() or {"": 1}
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

    def _part_size(self, threads: int) -> int:
        """Return the number of files of the next part for a Dask worker with these threads.

        It follows from the time that a file has needed so far. The last parts are smaller.
        """
        least, size = MIN_FILES * threads, MIN_FILES * threads
        all_threads = max(1, sum(self._threads.values()))
        if self._answered:
            seconds = (time.monotonic() - self._began) * all_threads / self._answered
            size = int(BATCH_SECONDS * threads / seconds)
        if self._entries is None:
            least, size = threads, min(size, len(self._missing) * threads // (2 * all_threads))
        return min(max(size, least), MAX_FILES)

    def _find_missing(self) -> Iterator[Message[Response]]:
        """List more files of the folder, and add those without an embedding to `_missing`.

        Stop if `_missing` has enough files for the whole cluster, or if all files have been listed.
        Yield a row for each folder that cannot be listed, and for each file that failed earlier.
        """
        enough = PARTS_PER_WORKER * sum(map(self._part_size, self._threads.values()))
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
        """Ask the verb `embed` about `files`. Add the files that have no embedding in the store to
        `_missing`.

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
        self._began = self._began or time.monotonic()
        room = room_for_parts(
            self._threads,
            ((part.address, part.number) for part in self._running.values()),
            self._newest,
        )
        for turn in range(PARTS_PER_WORKER):
            for address, threads in self._threads.items():
                if self._missing and turn < room[address]:
                    count = min(self._part_size(threads), len(self._missing))
                    files = [self._missing.popleft() for _ in range(count)]
                    self._submit(_Part(files, address))

    def _submit(self, part: _Part) -> None:
        paths = [path for path, _ in part.files]
        preferred = {"workers": [part.address], "allow_other_workers": True} if part.address else {}
        future = self._client.submit(worker_side.embed, self._job, paths, pure=False, **preferred)
        self._sent += 1
        self._running[future] = part._replace(number=self._sent)
        self._completed.add(future)

    def _store_results(self, batch: list[tuple[Future, Any]]) -> Iterator[Message[Response]]:
        embedded: list[EmbeddedFile] = []
        for future, result in batch:
            part = self._running.pop(future)
            self._newest[part.address] = max(part.number, self._newest.get(part.address, 0))
            # Check the result, not the status of the future. The status is "lost" if the Dask
            # worker ended after its result had arrived.
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
        self._answered += 1
        problem = problem_of(answer)
        if problem is None:
            self._embedded += 1
        else:
            yield self._failure(path, problem)

    def _hand_out_again(self, future: Future, part: _Part) -> None:
        """Submit a part again if it failed because Dask workers crashed.

        Raise ImgscoreError if the part failed for another reason, or if it has failed MAX_DEATHS
        times.
        """
        if future.status != "error":
            raise ImgscoreError("the connection to the Dask scheduler is lost", REMEDY_GO_ON)
        error = future.exception()
        if not isinstance(error, KilledWorker):
            raise _other_version(f"a worker failed: {error!r}")
        if part.deaths + 1 == MAX_DEATHS:
            raise ImgscoreError(
                "the Dask workers end again and again",
                f"see the logs of the workers, then {REMEDY_GO_ON}",
            )
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
