"""The messages between a pool and its workers: tasks and answers, encoded as msgpack.

This module imports nothing heavy and has no side effects.

Each task type has a handler, written as MODULE:FUNCTION in imgscore.workers. The arguments of the
handler are the context of the worker and the task. The handler returns the answer, or yields the
answer in parts.
"""

import struct
from typing import Any, BinaryIO, ClassVar

import msgspec

from imgscore.images.traits import Traits
from imgscore.order.timeline import Packed
from imgscore.store.schema import Fingerprint, HeadRecord, Sighting, Ties
from imgscore.watches import Watch
from imgscore.workers.queries import AnyQuery, Query, QueryRows

_length = struct.Struct("<I")


class IndexFile(msgspec.Struct, tag=True, frozen=True):
    """The task to read, hash, embed and score one file.

    `head`: the version of the head that scores the file. None means that the file gets no score.
    """

    handler: ClassVar[str] = "index_file:index_file"
    path: bytes
    taste: str
    head: str | None
    stored: bool = True
    """whether there is a store; without a store, the file is always embedded and never scored"""


class Rescore(msgspec.Struct, tag=True, frozen=True):
    """The task to score the images `digests` with one head.

    An empty `digests` means all images of the store.
    """

    handler: ClassVar[str] = "training:rescore"
    taste: str
    head: str
    digests: list[bytes] = []


class Train(msgspec.Struct, tag=True, frozen=True):
    """The task to train a head on the labels in the store.

    `recipe`: the name of a recipe in heads.recipes.
    """

    handler: ClassVar[str] = "training:train"
    taste: str
    recipe: str = "auto"


class Plan(msgspec.Struct, tag=True, frozen=True):
    """The task to plan the order of an inbox by the scores of a head.

    The files in `exclude` keep their dates.
    """

    handler: ClassVar[str] = "plan_inbox:answer_plan"
    watch: Watch
    head: str
    exclude: list[bytes]


class BackUp(msgspec.Struct, tag=True, frozen=True):
    """The task to copy the store and the heads into `folder`."""

    handler: ClassVar[str] = "back_up:back_up"
    folder: bytes


class Prune(msgspec.Struct, tag=True, frozen=True):
    """The task to delete old thumbnails, and to find the records that the store may delete.

    `thumbnails`: the folder of the thumbnails. `max_bytes`: the largest size of this folder.
    """

    handler: ClassVar[str] = "pruning:prune"
    thumbnails: bytes
    max_bytes: int


class MakeThumbnail(msgspec.Struct, tag=True, frozen=True):
    """The task to write the thumbnail of an image.

    `path`: the file of the image. `digest`: the digest of the image. `file`: the path of the
    thumbnail.
    """

    handler: ClassVar[str] = "thumbnails:make_thumbnail"
    path: bytes
    digest: bytes
    file: bytes


OwnTask = IndexFile | Rescore | Train | Plan | BackUp | Prune | MakeThumbnail
"""All tasks except the queries. The file workers/queries.py defines the queries."""
Task = OwnTask | Query[Any]
FileTask = IndexFile | MakeThumbnail
"""The tasks that read one file. Only file workers do these tasks. A file worker has limits of time
and memory."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The first message of a worker, sent when the worker is ready for tasks."""


class FileFailure(msgspec.Struct, frozen=True):
    """The reason why a file that could be read has no embedding, and the remedy."""

    reason: str
    remedy: str


class FileIndexed(msgspec.Struct, tag=True, frozen=True):
    """The answer for a file that was read.

    `vector` and `traits` are None if the store already has them for this digest.
    """

    seen: Fingerprint
    digest: bytes
    vector: bytes | None = None
    traits: Traits | None = None
    score: tuple[float, float] | None = None
    """the (score, deviation) of the image; None without a head"""
    name: tuple[bytes, bytes] | None = None
    """the (key, vector) of the file's name; None if the store already has this vector"""
    failure: FileFailure | None = None


class Unstable(msgspec.Struct, tag=True, frozen=True):
    """The answer for a file that changed during the read or no longer exists.

    Try again when the file no longer changes.
    """


class Unreadable(msgspec.Struct, tag=True, frozen=True):
    """The answer for a file that cannot be read."""

    reason: str
    remedy: str


class ThumbnailMade(msgspec.Struct, tag=True, frozen=True):
    """The answer when the thumbnail has been written."""


class NeedsMemory(msgspec.Struct, tag=True, frozen=True):
    """The answer when a file needs more memory than this worker may use.

    The pool then sends the task to another worker.
    """


class Scored(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Rescore. `scores` is in the format of `store.scores.pack`."""

    scores: bytes
    last: bool


class Trained(msgspec.Struct, tag=True, frozen=True):
    """The answer when a head has been trained. `record.accepted`: whether to use the new head."""

    record: HeadRecord


class PlannedTouch(msgspec.Struct, frozen=True, array_like=True):
    """A planned touch: the file with its current date, and its new date."""

    sighting: Sighting
    after_ns: int


class Planned(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Plan.

    `ties`: the ties that the store must save; they are in the first part. None if there are no ties
    to save. `timeline`: the order of the inbox after the touches. It is in the last part.
    """

    touches: list[PlannedTouch]
    ties: Ties | None
    last: bool
    timeline: Packed | None = None


class BackedUp(msgspec.Struct, tag=True, frozen=True):
    """The answer when the backup is on disk. `size` is in bytes."""

    size: int


class Pruned(msgspec.Struct, tag=True, frozen=True):
    """The records that the store may delete, as defined in store/retention.py."""

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The answer when a task cannot be done. The worker continues to run."""

    reason: str
    remedy: str
    kind: str = "ImgscoreError"
    """the name of the error's class, from `errors.kind_of`"""


class Notice(msgspec.Struct, tag=True, frozen=True):
    """A notice about this machine, for example about a missing device.

    An answer follows the notice.
    """

    about: str
    text: str


class ModelUnavailable(msgspec.Struct, tag=True, frozen=True):
    """The answer when the model cannot be loaded. The file of the task is not the cause."""

    reason: str
    remedy: str


class Crashed(msgspec.Struct, tag=True, frozen=True):
    """The answer when the worker crashed during the task. The pool creates this answer."""

    reason: str


class Interrupted(msgspec.Struct, tag=True, frozen=True):
    """The answer when a signal from outside ended the worker, for example at a logout.

    The pool creates this answer.
    """


Answer = (
    Ready
    | FileIndexed
    | Unstable
    | Unreadable
    | ThumbnailMade
    | NeedsMemory
    | Scored
    | Trained
    | QueryRows
    | Planned
    | BackedUp
    | Pruned
    | Refused
    | Notice
    | ModelUnavailable
    | Crashed
    | Interrupted
)

_encoder = msgspec.msgpack.Encoder()
_tasks: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(OwnTask | AnyQuery)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Task | Answer) -> bytes:
    """Encode a message, and put its length in bytes before it."""
    body = _encoder.encode(message)
    return _length.pack(len(body)) + body


def read_task(stream: BinaryIO) -> Task | None:
    """Wait for a task and return the task, or None at the end of the stream."""
    length = stream.read(_length.size)
    if len(length) < _length.size:
        return None
    size: int = _length.unpack(length)[0]
    body = stream.read(size)
    task: Task | None = _tasks.decode(body) if len(body) == size else None
    return task


def take_answers(buffer: bytearray) -> list[Answer]:
    """Remove the complete messages from the front of `buffer` and return these messages."""
    return [_answers.decode(body) for body in _bodies(buffer)]


def _bodies(buffer: bytearray) -> list[bytes]:
    bodies, start = [], 0
    while len(buffer) - start >= _length.size:
        end = start + _length.size + _length.unpack_from(buffer, start)[0]
        if len(buffer) < end:
            break
        bodies.append(bytes(memoryview(buffer)[start + _length.size : end]))
        start = end
    del buffer[:start]
    return bodies
