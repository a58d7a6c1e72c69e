"""The records of the store and their encoding. This module does not access the database.

Structs are encoded as arrays. A later version of imgscore may therefore only append fields, and
each new field needs a default. Python's cyclic garbage collector does not follow the records of
which there are many (`gc=False`), because no record can contain itself.
"""

import hashlib
import os
import struct
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec

from imgscore import grades
from imgscore.watches import Role

SCHEMA_VERSION = 4
DIGEST_SIZE = 32
PATH_KEY_SIZE = 16

LabelName = grades.LabelName
EventName = Literal["keep", "undecided", "trash", "clear"]
# A label as it is stored. The two ends are stored as names, as older versions of imgscore did, and
# every other grade as a number.
StoredGrade = Literal["keep", "trash"] | Annotated[float, msgspec.Meta(ge=0, le=1)]
EventValue = StoredGrade | Literal["clear"]
Source = Literal["place", "xdg_trash", "rating", "cli", "import", "undo", "rewrite"]
Reason = Literal["order", "restore", "undo"]

Record = TypeVar("Record", bound=msgspec.Struct)

_encoder = msgspec.msgpack.Encoder()


# The earliest and the latest date that a record can contain, in nanoseconds since 1970. They are in
# the years 1677 and 2554. msgpack cannot encode integers outside of this range.
EARLIEST_NS, LATEST_NS = -(1 << 63), (1 << 64) - 1


def pack(record: msgspec.Struct) -> bytes:
    """Return a record encoded as msgpack."""
    return _encoder.encode(record)


def split_digests(joined: bytes) -> list[bytes]:
    """Return the digests of several images from one bytes object with all of them."""
    return [joined[at : at + DIGEST_SIZE] for at in range(0, len(joined), DIGEST_SIZE)]


def path_key(path: bytes) -> bytes:
    """Return a key of 16 bytes for a path.

    A hash is needed because an LMDB key has at most 511 bytes, but a path can have 4,096 bytes.
    """
    return hashlib.blake2b(path, digest_size=PATH_KEY_SIZE).digest()


_fingerprint = struct.Struct("<QQqqq")
_pack = _fingerprint.pack
_SIZE_BITS = 56


def packed_fingerprint(dev: int, ino: int, size: int, ctime_ns: int, mtime_ns: int) -> bytes:
    """Return the fields of a fingerprint packed into 40 bytes.

    An mtime before 1677 or after 2262 needs more than 64 bits. The highest bits of this mtime
    are stored in the highest byte of the size. For all other dates, this byte is 0.
    """
    try:
        return _pack(dev, ino, size, ctime_ns, mtime_ns)
    except struct.error:
        beyond = (mtime_ns + (1 << 63)) >> 64
        rest = mtime_ns - (beyond << 64)
        return _pack(dev, ino, size + (beyond << _SIZE_BITS), ctime_ns, rest)


class Fingerprint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The fields of a file's stat result that change when the file changes."""

    dev: int
    ino: int
    size: int
    ctime_ns: int
    mtime_ns: int

    @classmethod
    def of_stat(cls, status: os.stat_result) -> "Fingerprint":
        """Create the fingerprint of a file from the file's stat result.

        A date outside the possible range is replaced by the nearest possible date.
        """
        mtime_ns = min(max(status.st_mtime_ns, EARLIEST_NS), LATEST_NS)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, mtime_ns)

    def packed(self) -> bytes:
        """Return the fingerprint packed into 40 bytes.

        A scan compares these bytes with stored bytes. This comparison is faster than decoding each
        stored fingerprint.
        """
        return packed_fingerprint(self.dev, self.ino, self.size, self.ctime_ns, self.mtime_ns)

    @classmethod
    def unpacked(cls, raw: bytes) -> "Fingerprint":
        """Create the fingerprint from the first 40 bytes of `raw`."""
        dev, ino, size, ctime_ns, mtime_ns = _fingerprint.unpack_from(raw)
        beyond = size >> _SIZE_BITS
        return cls(dev, ino, size - (beyond << _SIZE_BITS), ctime_ns, mtime_ns + (beyond << 64))


FINGERPRINT_SIZE = _fingerprint.size
_SIZE_AT = 16


def size_of(packed: bytes) -> int:
    """Return the size of the file from a value that begins with a packed fingerprint."""
    return int.from_bytes(packed[_SIZE_AT : _SIZE_AT + _SIZE_BITS // 8], "little")


def packed_stat(status: os.stat_result) -> bytes:
    """Return the packed fingerprint (40 bytes) of a stat result.

    The function does not create a Fingerprint object. This saves time in a scan of 100,000 files.
    """
    try:
        return _pack(
            status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
        )
    except struct.error:
        return Fingerprint.of_stat(status).packed()


class FileAt(NamedTuple):
    """A path, with the digest that the file at this path had when it was last seen."""

    digest: bytes
    path: bytes


class Sighting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The record of the file that was last seen at a path.

    `gone_ns`: the time at which a scan found the file missing. 0 means that the file is present.
    """

    path: bytes
    seen: Fingerprint
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


class TrashedFile(msgspec.Struct, array_like=True, frozen=True):
    """The record of an image that the user moved from a watch to the desktop's trash.

    path: the path of the image in the trash folder `trash`.
    origin: the path from which the user deleted the image.
    gone_ns: the time at which a scan found that the image had left the trash. 0 means that the
    image is in the trash.
    """

    path: bytes
    seen: Fingerprint
    digest: bytes
    origin: bytes
    trash: bytes
    gone_ns: int = 0


class LabelEvent(msgspec.Struct, array_like=True, frozen=True):
    """One event in the label log. imgscore only appends to this log.

    Older versions of imgscore could move files when the user labelled an image. They listed the
    moved files in a seventh field. This version does not read the seventh field. If the user undoes
    an event with such a field, imgscore does not move the files back.

    `value`: the grade as it is stored (see `stored_grade`), or "clear" if the label was cleared.
    """

    time_ns: int
    taste: str
    digest: bytes
    value: EventValue
    source: Source
    path: bytes

    @property
    def grade(self) -> float | None:
        """The grade that the event set. None means that the event cleared the label."""
        return None if self.value == "clear" else _grade_of(self.value)

    @property
    def label(self) -> EventName:
        """The name of the grade that the event set, or "clear"."""
        grade = self.grade
        return "clear" if grade is None else grades.name_of(grade)


class Label(msgspec.Struct, array_like=True, frozen=True):
    """The current label of a digest in a taste.

    The last event of the digest in the label log determines this label. `value`: the grade as it is
    stored (see `stored_grade`).
    """

    value: StoredGrade
    sequence: int
    time_ns: int
    source: Source
    path: bytes

    @property
    def grade(self) -> float:
        """The grade of the label, from 0 (trash) to 1 (keep)."""
        return _grade_of(self.value)

    @property
    def label(self) -> LabelName:
        """The name of the grade."""
        return grades.name_of(self.grade)


def stored_grade(grade: float) -> StoredGrade:
    """Return a grade as the records contain it: "keep" or "trash" for the ends, else the number.

    Raises ValueError if the grade is not from 0 to 1.
    """
    if grade == grades.KEEP:
        return "keep"
    if grade == grades.TRASH:
        return "trash"
    if not grades.TRASH < grade < grades.KEEP:
        raise ValueError(f"{grade!r} is not a grade from 0 to 1")
    return float(grade)


def event_value(grade: float | None) -> EventValue:
    """Return the `value` of a LabelEvent that sets a grade, or clears the label if it is None."""
    return "clear" if grade is None else stored_grade(grade)


def _grade_of(value: StoredGrade) -> float:
    if value == "keep":
        return grades.KEEP
    return grades.TRASH if value == "trash" else float(value)


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """The reason why a file has no embedding.

    imgscore reads the file again if the file or the version of the decoder changes.

    retry_ns: the time from which imgscore also reads the unchanged file again, in nanoseconds since
    1970. 0 means never.
    """

    path: bytes
    seen: Fingerprint
    digest: bytes
    reason: str
    remedy: str
    decoder: int
    retry_ns: int = 0

    def is_current(self, seen: Fingerprint, decoder: int, now_ns: int) -> bool:
        """Return whether the file need not be read again.

        `seen`: the present fingerprint of the file. `decoder`: the version of the decoder.
        `now_ns`: the present time, in nanoseconds since 1970.
        """
        waits = self.retry_ns == 0 or now_ns < self.retry_ns
        return waits and self.seen == seen and self.decoder == decoder


class Original(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The record of the date (mtime) that a file had before imgscore touched it.

    original_ns: the date before the first touch.
    before_ns, after_ns: the old and the new date of the last touch. If imgscore crashed between the
    journal entry and the touch, the file still has the date `before_ns`. If `after_ns` is
    `original_ns`, the original was restored.
    earlier: other dates of the file that are no whole seconds, or that an older version stored.
    dates: other dates that imgscore set before the last touch, as seconds of 4 bytes each.
    touched_ns: the time of the last touch; 0 if an older version stored the record.
    If the file has none of these dates, the user has set a new date.
    """

    path: bytes
    original_ns: int
    before_ns: int
    after_ns: int
    earlier: list[int] = []
    dates: bytes = b""
    touched_ns: int = 0

    @property
    def is_restored(self) -> bool:
        """Return whether the original was restored after the last touch."""
        return self.after_ns == self.original_ns


class ForeignDate(msgspec.Struct, array_like=True, frozen=True):
    """A date that another program gave to a file with unchanged bytes.

    time_ns: the time at which imgscore found the date. before_ns: the date before the change.
    """

    time_ns: int
    digest: bytes
    path: bytes
    before_ns: int
    date_ns: int

    @property
    def delta_ns(self) -> int:
        """The number of nanoseconds by which the date was moved."""
        return self.date_ns - self.before_ns


class Touch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One entry of the journal: the change of one file's mtime.

    The entry is written before the mtime is set.
    """

    time_ns: int
    run: int
    inbox: bytes
    path: bytes
    digest: bytes
    before_ns: int
    after_ns: int
    head: str
    reason: Reason


class Ties(msgspec.Struct, array_like=True, frozen=True):
    """The quantiles of the scores that a head computed for the images of an inbox.

    order/ties.py uses the quantiles to limit the number of ties.
    """

    head: str
    count: int
    knots: list[float]


class HeadRecord(msgspec.Struct, array_like=True, frozen=True):
    """A trained head, with the measurements of its training.

    `version`: the version of the head, which is also in the file name of the head.
    `label_sequence`, `comparison_sequence`: the number of the newest event in the log of labels,
    and in that of comparisons, when the training began.
    """

    version: str
    taste: str
    embedder: str
    created_ns: int
    labels: int
    label_sequence: int
    accepted: bool
    report: dict[str, object]
    comparisons: int = 0
    comparison_sequence: int = 0
