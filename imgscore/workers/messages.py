"""The messages between a pool and its workers: tasks and answers, as msgpack. Light and pure.

A task names its handler: MODULE:FUNCTION in imgscore.workers. The handler gets the context of the
worker and the task. It returns the answer, or yields it in parts.
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
    """Read, hash, embed and score one file. `head`: the version to score with; None for none."""

    handler: ClassVar[str] = "index_file:index_file"
    path: bytes
    taste: str
    head: str | None
    stored: bool = True
    """whether there is a store; without one, the file is embedded in any case and not scored"""


class Rescore(msgspec.Struct, tag=True, frozen=True):
    """Score images of the store under one head. Without `digests`: all images."""

    handler: ClassVar[str] = "training:rescore"
    taste: str
    head: str
    digests: list[bytes] = []


class Train(msgspec.Struct, tag=True, frozen=True):
    """Train a head on the labels in the store. `recipe`: a name of heads.recipes."""

    handler: ClassVar[str] = "training:train"
    taste: str
    recipe: str = "auto"


class Plan(msgspec.Struct, tag=True, frozen=True):
    """Plan the order of an inbox under a head. The paths in `exclude` keep their dates."""

    handler: ClassVar[str] = "plan_inbox:answer_plan"
    watch: Watch
    head: str
    exclude: list[bytes]


class BackUp(msgspec.Struct, tag=True, frozen=True):
    """Copy the store and the heads into `folder`."""

    handler: ClassVar[str] = "back_up:back_up"
    folder: bytes


class Prune(msgspec.Struct, tag=True, frozen=True):
    """Prune the thumbnails to `max_bytes`, and find the records that the store may delete."""

    handler: ClassVar[str] = "pruning:prune"
    thumbnails: bytes
    max_bytes: int


class MakeThumbnail(msgspec.Struct, tag=True, frozen=True):
    """Write the thumbnail of the image `digest`, which lies at `path`, into `file`."""

    handler: ClassVar[str] = "thumbnails:make_thumbnail"
    path: bytes
    digest: bytes
    file: bytes


OwnTask = IndexFile | Rescore | Train | Plan | BackUp | Prune | MakeThumbnail
"""Every task but the queries, which are defined in workers/queries.py."""
Task = OwnTask | Query[Any]
FileTask = IndexFile | MakeThumbnail
"""Tasks that read one file. File workers do them, with limits of time and memory."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker has started."""


class FileFailure(msgspec.Struct, frozen=True):
    """Why a file that was read has no embedding, and the remedy."""

    reason: str
    remedy: str


class FileIndexed(msgspec.Struct, tag=True, frozen=True):
    """A file was read. If the store has the digest, `vector` and `traits` are None."""

    seen: Fingerprint
    digest: bytes
    vector: bytes | None = None
    traits: Traits | None = None
    score: tuple[float, float] | None = None
    """(score, deviation)"""
    name: tuple[bytes, bytes] | None = None
    """(key, vector) of the file's name; None if the store has it"""
    failure: FileFailure | None = None


class Unstable(msgspec.Struct, tag=True, frozen=True):
    """The file changed while it was read, or is gone. Try again when it no longer changes."""


class Unreadable(msgspec.Struct, tag=True, frozen=True):
    """The file cannot be read at all."""

    reason: str
    remedy: str


class ThumbnailMade(msgspec.Struct, tag=True, frozen=True):
    """The thumbnail is written."""


class NeedsMemory(msgspec.Struct, tag=True, frozen=True):
    """The file needs more memory than this worker may take. The pool passes the task on."""


class Scored(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Rescore; `scores` is packed by `store.scores.pack`."""

    scores: bytes
    last: bool


class Trained(msgspec.Struct, tag=True, frozen=True):
    """A head was trained. `record.accepted`: whether to use it."""

    record: HeadRecord


class PlannedTouch(msgspec.Struct, frozen=True, array_like=True):
    """A touch to make: the file with its current date, and its new date."""

    sighting: Sighting
    after_ns: int


class Planned(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Plan.

    `ties`: in the first part, if they are to be stored. `timeline`: in the last part, the order of
    the inbox after the touches.
    """

    touches: list[PlannedTouch]
    ties: Ties | None
    last: bool
    timeline: Packed | None = None


class BackedUp(msgspec.Struct, tag=True, frozen=True):
    """The backup is on disk; `size` is in bytes."""

    size: int


class Pruned(msgspec.Struct, tag=True, frozen=True):
    """The records that the store may delete: see store/retention.py."""

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The task cannot be done. The worker continues."""

    reason: str
    remedy: str
    kind: str = "ImgscoreError"
    """the name of the error's class, as errors.kind_of gives it"""


class Notice(msgspec.Struct, tag=True, frozen=True):
    """A notice about this machine, such as a missing device. It comes before an answer."""

    about: str
    text: str


class ModelUnavailable(msgspec.Struct, tag=True, frozen=True):
    """The model cannot be loaded. The file of the task is not the cause."""

    reason: str
    remedy: str


class Crashed(msgspec.Struct, tag=True, frozen=True):
    """The worker died during the task. The pool creates this answer."""

    reason: str


class Interrupted(msgspec.Struct, tag=True, frozen=True):
    """The worker was ended from outside, as at a logout. The pool creates this answer."""


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
    """Encode a message, with its length before it."""
    body = _encoder.encode(message)
    return _length.pack(len(body)) + body


def read_task(stream: BinaryIO) -> Task | None:
    """Wait for a task and return it; None at the end of the stream."""
    length = stream.read(_length.size)
    if len(length) < _length.size:
        return None
    size: int = _length.unpack(length)[0]
    body = stream.read(size)
    task: Task | None = _tasks.decode(body) if len(body) == size else None
    return task


def take_answers(buffer: bytearray) -> list[Answer]:
    """Remove the complete messages from the front of `buffer` and return them."""
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
