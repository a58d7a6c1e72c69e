"""The messages between a pool and its workers: tasks and answers. `frames` encodes them as msgpack.

This module imports no large libraries and has no side effects.

Each task type has a handler, written as MODULE:FUNCTION in imgscore.workers. The arguments of the
handler are the context of the worker and the task. The handler returns one answer, or yields the
parts of an answer.

Each task of the trainer has a time limit `seconds`. An alarm ends a worker that works longer.
"""

from typing import Any, ClassVar

import msgspec

from imgscore.images.traits import Traits
from imgscore.order.timeline import Packed
from imgscore.store.schema import Fingerprint, HeadRecord, Sighting, Ties
from imgscore.watches import Watch
from imgscore.workers.group_messages import (
    CompareNew,
    ComparePairs,
    FindGroups,
    FindPairs,
    GroupsFound,
)
from imgscore.workers.library_messages import (
    LibraryPrepared,
    PrepareLibrary,
    PrepareRows,
    RowsPrepared,
)
from imgscore.workers.link_messages import LinksRefreshed, RefreshLinks
from imgscore.workers.order_messages import OrderPrepared, PrepareOrder
from imgscore.workers.prune_messages import Prune, Pruned
from imgscore.workers.quality_messages import MeasureQuality, QualityMeasured
from imgscore.workers.queries import Query, QueryRows
from imgscore.workers.rating_messages import RatingsRead, ReadRatings


class IndexFile(msgspec.Struct, tag=True, frozen=True):
    """The task to read, hash, embed and score one file.

    `head`: the version of the head that scores the file. None means that the file gets no score.
    """

    handler: ClassVar[str] = "index_file:index_file"
    path: bytes
    taste: str
    head: str | None
    incomplete_seconds: float = 300.0
    """the setting `incomplete`: how long a file whose end is missing must stay unchanged"""
    stored: bool = True
    """whether there is a store; without a store, the file is always embedded and never scored"""
    name: bytes | None = None
    """the path of the file below its inbox; None means the file name"""


class Rescore(msgspec.Struct, tag=True, frozen=True):
    """The task to score the images `digests` with one head.

    If `digests` is empty, the worker scores the images of `inboxes` that have no score. If both are
    empty, all images of the store are scored.
    """

    handler: ClassVar[str] = "scoring:rescore"
    seconds: ClassVar[int] = 6 * 3600
    taste: str
    head: str
    digests: list[bytes] = []
    inboxes: list[bytes] = []


class Train(msgspec.Struct, tag=True, frozen=True):
    """The task to train a head on the labels in the store.

    `recipe`: the name of a recipe in heads.recipes.
    `like`, `dislike`: the words of the taste. If the recipe is "words", the head is made of them.
    `from_keeps`: whether random images take the place of missing trash labels.
    """

    handler: ClassVar[str] = "training:train"
    seconds: ClassVar[int] = 24 * 3600
    taste: str
    recipe: str = "auto"
    like: list[str] = []
    dislike: list[str] = []
    from_keeps: bool = False


class Plan(msgspec.Struct, tag=True, frozen=True):
    """The task to plan the order of an inbox by the scores of a head.

    The files in `exclude` keep their dates.
    """

    handler: ClassVar[str] = "order_tasks:answer_plan"
    seconds: ClassVar[int] = 3600
    watch: Watch
    head: str
    exclude: list[bytes]


class BackUp(msgspec.Struct, tag=True, frozen=True):
    """The task to copy the store and the heads into `folder`."""

    handler: ClassVar[str] = "back_up:back_up"
    seconds: ClassVar[int] = 6 * 3600
    folder: bytes


class MakeThumbnail(msgspec.Struct, tag=True, frozen=True):
    """The task to write the thumbnail of an image.

    `path`: the file of the image. `digest`: the digest of the image. `file`: the path of the
    thumbnail.
    """

    handler: ClassVar[str] = "thumbnails:make_thumbnail"
    path: bytes
    digest: bytes
    file: bytes


class TryDevice(msgspec.Struct, tag=True, frozen=True):
    """The task to compute on the device of the config for a moment."""

    handler: ClassVar[str] = "try_device:try_device"


OwnTask = (
    IndexFile
    | Rescore
    | Train
    | PrepareLibrary
    | PrepareRows
    | PrepareOrder
    | Plan
    | BackUp
    | Prune
    | RefreshLinks
    | MakeThumbnail
    | MeasureQuality
    | FindPairs
    | ComparePairs
    | FindGroups
    | CompareNew
    | ReadRatings
    | TryDevice
)
"""The tasks that are no query. workers/queries.py defines the queries."""
Task = OwnTask | Query[Any]
FileTask = (
    IndexFile | MakeThumbnail | MeasureQuality | ComparePairs | CompareNew | ReadRatings | TryDevice
)
"""The tasks that read one file, compare images, or try the device. Only file workers do these
tasks. A file worker has limits of time and memory."""

OrderTask = PrepareRows | PrepareOrder | Rescore | Plan
"""The tasks of the order worker, which scores images and plans large inboxes. The trainer does all
other tasks that are no FileTask."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The first message of a worker, sent when the worker is ready for tasks."""


class DeviceReady(msgspec.Struct, tag=True, frozen=True):
    """The first message of a device process, sent after it has computed on the device.

    `device`: the name of the device. `provider`: the library that uses it.
    """

    device: str
    provider: str


class DeviceTried(msgspec.Struct, tag=True, frozen=True):
    """The answer to TryDevice.

    `device`: the name of the device. `provider`: the library that uses it. `rate`: the number of
    inputs that were computed in a second.
    """

    device: str
    provider: str
    rate: float


class FileFailure(msgspec.Struct, frozen=True):
    """The reason why a file that could be read has no embedding, and the remedy."""

    reason: str
    remedy: str
    retry_ns: int = 0
    """the time from which the file is read again although it has not changed; 0 means never"""


class FileIndexed(msgspec.Struct, tag=True, frozen=True):
    """The answer to IndexFile if the file could be read.

    `vector` and `traits` are None if the store already has them for this digest.
    """

    seen: Fingerprint
    digest: bytes
    vector: bytes | None = None
    traits: Traits | None = None
    score: tuple[float, float] | None = None
    """the (score, deviation) of the image; None if no head scored the image"""
    name: tuple[bytes, bytes] | None = None
    """the (key, vector) of the file name; None if the store needs no vector or already has it"""
    failure: FileFailure | None = None


class Unstable(msgspec.Struct, tag=True, frozen=True):
    """The answer if the file changed during the read, no longer exists, or no longer has the
    expected content.

    The engine can send the task again after the file has stopped changing.
    """


class Unreadable(msgspec.Struct, tag=True, frozen=True):
    """The answer if the file cannot be read."""

    reason: str
    remedy: str


class ThumbnailMade(msgspec.Struct, tag=True, frozen=True):
    """The answer to MakeThumbnail after the thumbnail has been written."""


class NeedsMemory(msgspec.Struct, tag=True, frozen=True):
    """The answer if a file needs more memory than this worker may use.

    The pool then sends the task to another worker.
    """


class Scored(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Rescore.

    `scores`: the scores as bytes, in the format of `store.scores.pack`, sorted by digest. `last`:
    whether this is the last part.
    """

    scores: bytes
    last: bool


class Progressed(msgspec.Struct, tag=True, frozen=True):
    """The progress of the current task: `done` of `total` steps are finished.

    The worker sends the progress before the answer, if the task takes long.
    """

    done: int
    total: int


class Trained(msgspec.Struct, tag=True, frozen=True):
    """The answer to Train after a head has been trained.

    `record.accepted`: whether the taste should use the new head from now on.
    """

    record: HeadRecord


class PlannedTouch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A planned touch.

    `sighting`: the file with its present date. `after_ns`: the new date of the file, in ns.
    """

    sighting: Sighting
    after_ns: int


class Planned(msgspec.Struct, tag=True, frozen=True):
    """A part of the answer to Plan.

    `ties`: the quantiles of the scores, which the engine must store. Only the first part can have
    them. None means that the engine stores nothing. `timeline`: the order of the inbox after the
    touches. Only the last part has a timeline. `last`: whether this is the last part.
    """

    touches: list[PlannedTouch]
    ties: Ties | None
    last: bool
    timeline: Packed | None = None
    unusable: int = 0
    """the number of files whose score is not a number; only the last part has it"""


class BackedUp(msgspec.Struct, tag=True, frozen=True):
    """The answer to BackUp after the backup was written.

    `size`: the size of the backup, in bytes.
    """

    size: int


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The answer if a task fails with an error, but the worker continues to run."""

    reason: str
    remedy: str
    kind: str = "ImgscoreError"
    """the name of the error's class, from `errors.kind_of`"""


class Notice(msgspec.Struct, tag=True, frozen=True):
    """A notice for the user about this machine, for example about a missing device.

    The worker sends the notice before the answer to the current task.
    """

    about: str
    text: str


class ModelUnavailable(msgspec.Struct, tag=True, frozen=True):
    """The answer if the model cannot be loaded. The file of the task is not the cause."""

    reason: str
    remedy: str


class Crashed(msgspec.Struct, tag=True, frozen=True):
    """The answer if the worker crashed during the task. The pool creates this answer."""

    reason: str


class Interrupted(msgspec.Struct, tag=True, frozen=True):
    """The answer if a task was not done and is not the cause, for example at a logout.

    The pool creates this answer.
    """

    reason: str = "the worker was ended"
    remedy: str = "try again"


class WrongAnswerError(ValueError):
    """A worker has sent bytes that are no answer, or an answer that does not fit its task."""


Answer = (
    Ready
    | DeviceReady
    | DeviceTried
    | FileIndexed
    | Unstable
    | Unreadable
    | ThumbnailMade
    | QualityMeasured
    | GroupsFound
    | RatingsRead
    | NeedsMemory
    | Scored
    | Progressed
    | Trained
    | LibraryPrepared
    | RowsPrepared
    | QueryRows
    | OrderPrepared
    | Planned
    | BackedUp
    | Pruned
    | LinksRefreshed
    | Refused
    | Notice
    | ModelUnavailable
    | Crashed
    | Interrupted
)
