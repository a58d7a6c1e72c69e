"""The public Python API: `imgscore.open()` returns a Library.

docs/api.md describes the API with examples. All names in `__all__` are public. This module imports
neither numpy nor the engine; a method imports them if it needs them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import msgspec

from imgscore import dispatch, errors, event_stream, paths
from imgscore.dispatch import SESSION_BUSY_SECONDS, Session
from imgscore.events import Event
from imgscore.messages import BaseRequest, R
from imgscore.system import private
from imgscore.verbs import label as label_verb
from imgscore.verbs import order, score, search, status, wait
from imgscore.verbs.label import Response as LabelledFile
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.score import Response as ScoredFile
from imgscore.verbs.search import Response as FoundImage
from imgscore.verbs.status import Response as Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgscore.grades import LabelText
    from imgscore.store.store import Store

__all__ = (
    "Event",
    "FoundImage",
    "LabelledFile",
    "Library",
    "ScoredFile",
    "Status",
    "Taste",
    "TouchedFile",
    "Vector",
    "errors",
    "open",
)

AnyPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

FILE_BATCH = 256
"""The number of paths in one request. 256 paths of 4096 characters fit into a request of 8 MB."""
BLOCK_BATCH = 16
"""The number of blocks of vectors that are read in one transaction. 16 blocks of the built-in model
use 2.6 MB. A transaction must be short, because LMDB cannot reuse pages while it is open."""

_reading = threading.Lock()
"""The lock of all Libraries that open the store to read it. LMDB cannot open it twice at a time."""


class Taste(msgspec.Struct, frozen=True):
    """A taste: a named set of labels, with a head that is trained from them."""

    name: str
    """the name of the taste"""
    keep: int
    """the number of images with the label keep"""
    trash: int
    """the number of images with the label trash"""
    head: str | None
    """the version of the head; None if there is no head"""
    inboxes: list[str]
    """the paths of the inboxes that have this taste"""


class Vector(NamedTuple):
    """The embedding of an image."""

    sha256: str
    """the digest of the image"""
    path: str | None
    """the path of a file with this image; None if no such file was there at the last scan"""
    values: NDArray[np.float16]
    """the embedding; the array is read-only"""


class Library:
    """The images, labels and scores of the current user. `imgscore.open()` creates a Library.

    A Library is a context manager. If a daemon runs, it carries out each call. Otherwise the first
    call opens the store, and the store stays locked until `close`.

    The methods may be called from several threads, but only one call runs at a time. Do not use a
    Library in a child process that was created by fork.
    """

    def __init__(
        self, *, daemon_only: bool = False, busy_seconds: float = SESSION_BUSY_SECONDS
    ) -> None:
        self._session = Session(daemon_only=daemon_only, busy_seconds=busy_seconds)
        self._lock = threading.RLock()
        self._closed = False

    def score(
        self,
        files: AnyPath | Iterable[AnyPath],
        *,
        taste: str | None = None,
        recursive: bool = False,
    ) -> Iterator[ScoredFile]:
        """Yield the score of each file, in the order of `files`.

        `files`: one path, or paths. A folder stands for the images in it. The files may be outside
        the watched folders. `recursive`: whether the subfolders of folders are included. `taste`:
        the taste whose head scores the files; None means the taste of the folder that contains the
        file.

        A file that cannot be scored has an `error`, and does not end the iteration. The paths are
        sent in batches, so `files` may be endless.
        """
        for batch in _batches(files):
            yield from self._rows(score.Request(batch, taste, recursive))

    def label(
        self,
        files: AnyPath | Iterable[AnyPath],
        label: str | int,
        *,
        taste: str | None = None,
        recursive: bool = False,
    ) -> list[LabelledFile]:
        """Label files, and return a row for each file. No file is moved.

        `label`: a label that the command `imgscore label` accepts: `"keep"`, `"trash"`, a number of
        stars from 1 to 5, -1 for a rejected image, or `"clear"` to remove the label. The other
        arguments are those of `score`.

        A daemon trains soon after a label. Without a daemon, call `wait` to train.
        """
        text = cast("LabelText", str(label))  # the request is checked before it is sent
        return [
            row
            for batch in _batches(files)
            for row in self._rows(label_verb.Request(text, batch, taste, recursive))
        ]

    def plan(self, folder: AnyPath | None = None) -> list[TouchedFile]:
        """Return the dates that an order would change. Nothing is changed.

        `folder`: only the inbox that contains this folder; None means all inboxes. Raises
        ImgscoreError if an inbox has no head yet.
        """
        place = None if folder is None else _absolute(folder)
        return self._rows(order.Request(place, dry_run=True))

    def search(
        self,
        words: str,
        *,
        count: int = 20,
        folder: AnyPath | None = None,
        taste: str | None = None,
        taste_weight: float = 0.0,
    ) -> list[FoundImage]:
        """Return the images that fit words best, best first.

        `count`: the largest number of images. `folder`: search only in this folder. `taste_weight`:
        the weight of the score, from 0 (only the words count) to 1. Raises ImgscoreError if the
        model in use has no text encoder, as the built-in model.
        """
        place = None if folder is None else _absolute(folder)
        return self._rows(search.Request(words, count, place, taste, taste_weight))

    def vectors(self) -> Iterator[Vector]:
        """Yield the embedding of each image that the model in use has embedded.

        The store is read in parts, so the memory does not grow with the number of images. To
        include the newest images, call `wait` first; an image that is embedded during the iteration
        may be left out. Embeddings of two models cannot be compared.
        """
        from imgscore.embedders import registry

        settings = dispatch.settings_in_force()
        spec = registry.spec(settings.model, use_filename=settings.use_filename)
        first = 0
        while part := self._vectors(spec.image_embedder, first):
            first, vectors = part
            yield from vectors

    def tastes(self) -> list[Taste]:
        """Return the tastes of the watched folders, in the order of the config."""
        tastes: dict[str, Taste] = {}
        for watch in self.status().watches:
            counts = watch.labels
            new = Taste(watch.taste, counts.keep, counts.trash, watch.head, [])
            tastes.setdefault(watch.taste, new).inboxes.append(watch.inbox)
        return list(tastes.values())

    def status(self) -> Status:
        """Return the state of the daemon, or of the store if no daemon runs."""
        (row,) = self._rows(status.Request())
        return row

    def wait(self, seconds: float | None = None) -> None:
        """Scan the watched folders, and wait until all work is done: embedding, training, ordering.

        `seconds`: the longest time to wait; None means no limit. Raises ImgscoreError if the work
        takes longer, or if it is paused.
        """
        self._rows(wait.Request(seconds))

    def events(self) -> Iterator[Event]:
        """Yield the events of the daemon as they happen. The iteration never ends by itself.

        If the daemon restarts, the iteration continues. The first event of each connection is a
        `Following`: between two of them, events may be missing. Read the events at once: the daemon
        disconnects a client that does not read for ten seconds. Raises NoDaemonError if no daemon
        runs, or if it does not return within ten seconds.
        """
        self._check_open()
        yield from event_stream.follow()

    def close(self) -> None:
        """Close the store, if this Library has opened it. A second call has no effect."""
        with self._lock:
            self._closed = True
            self._session.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise errors.UsageError("the Library is closed", "call imgscore.open() again")

    def _rows(self, request: BaseRequest[R]) -> list[R]:
        with self._lock:
            self._check_open()
            return self._session.rows(request)

    def _vectors(self, embedder: str, first: int) -> tuple[int, list[Vector]] | None:
        """Return the vectors of BLOCK_BATCH blocks, and the number of the block after them.

        `first`: the number of the first block. Return None if there is no such block.
        """
        import numpy as np

        from imgscore.store import sightings, vectors
        from imgscore.store.schema import DIGEST_SIZE

        found: list[Vector] = []
        with self._reading(verified=first > 0) as store:
            if store is None:
                return None
            with store.read() as txn:
                blocks = list(islice(vectors.blocks_from(txn, embedder, first), BLOCK_BATCH))
                for _, digests, values in blocks:
                    count = len(digests) // DIGEST_SIZE
                    matrix = np.frombuffer(values, np.float16).reshape(count, -1)
                    for row, vector in enumerate(matrix):
                        digest = digests[row * DIGEST_SIZE : (row + 1) * DIGEST_SIZE]
                        files = sightings.of_digest(txn, digest)
                        present = [file.path for file in files if not file.gone_ns]
                        path = os.fsdecode(min(present)) if present else None
                        found.append(Vector(digest.hex(), path, vector))
        return (blocks[-1][0] + 1, found) if blocks else None

    @contextmanager
    def _reading(self, *, verified: bool) -> Iterator[Store | None]:
        """Yield the open store of this Library, or the store opened to read, or None without store.

        `verified`: whether the store was verified before.
        """
        from imgscore.store import verify
        from imgscore.store.store import Store

        with self._lock:
            self._check_open()
            if self._session.store is not None:
                yield self._session.store
                return
            if not (paths.store_folder() / "data.mdb").exists():
                yield None
                return
            with _reading:
                if not verified:
                    verify.before_reading(paths.data_folder(), paths.store_folder())
                with Store(paths.store_folder(), readonly=True) as store:
                    yield store


def open(*, daemon_only: bool = False, busy_seconds: float = SESSION_BUSY_SECONDS) -> Library:
    """Return a Library. Use it in a `with` block.

    `daemon_only`: if true, the Library never locks the store, and a call raises NoDaemonError if no
    daemon runs; only `vectors` works without a daemon. Use this in a program that runs for long,
    because a locked store cannot be used by the daemon and by other commands.

    `busy_seconds`: the longest time to wait while another process has locked the store.

    The environment variables XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_RUNTIME_DIR select the config,
    the store and the daemon, as for the command `imgscore`.
    """
    private.withdraw_permissions(paths.private_folders())
    return Library(daemon_only=daemon_only, busy_seconds=busy_seconds)


def _batches(files: AnyPath | Iterable[AnyPath]) -> Iterator[list[str]]:
    """Yield the absolute paths in lists of at most FILE_BATCH paths."""
    given = [files] if isinstance(files, str | bytes | os.PathLike) else files
    texts = (_absolute(file) for file in given)
    while batch := list(islice(texts, FILE_BATCH)):
        yield batch


def _absolute(path: AnyPath) -> str:
    """Return the absolute path as text, because the daemon can have another working folder."""
    text = os.fsdecode(path)
    return text if os.path.isabs(text) else os.path.join(os.getcwd(), text)
