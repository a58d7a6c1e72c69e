"""The records of the store and how each becomes bytes. Pure: no database here.

Structs are written as arrays; a later version may only append fields that have a default.
"""

import hashlib
import os
import struct
from typing import Literal, TypeVar

import msgspec

from imgscore.watches import Role

SCHEMA_VERSION = 2
DIGEST_SIZE = 32

LabelName = Literal["keep", "trash"]
EventName = Literal["keep", "trash", "clear"]
Source = Literal["place", "xdg_trash", "cli", "import", "undo"]
Reason = Literal["order", "restore", "undo"]

Record = TypeVar("Record", bound=msgspec.Struct)

_encoder = msgspec.msgpack.Encoder()


# 1677 and 2554: beyond them msgpack, and so any record, has no integers.
EARLIEST_NS, LATEST_NS = -(1 << 63), (1 << 64) - 1


def pack(record: msgspec.Struct) -> bytes:
    """A record as msgpack."""
    return _encoder.encode(record)


def path_key(path: bytes) -> bytes:
    """16 bytes that stand for a path: LMDB keys end at 511 bytes, paths at 4,096."""
    return hashlib.blake2b(path, digest_size=16).digest()


_fingerprint = struct.Struct("<QQqqq")
_pack = _fingerprint.pack
_SIZE_BITS = 56


def _packed(dev: int, ino: int, size: int, ctime_ns: int, mtime_ns: int) -> bytes:
    """40 bytes. A date before 1677 or after 2262 has more than 64 bits of ns: the rest of them
    stands in the highest byte of the size, and is 0 for any other date."""
    try:
        return _pack(dev, ino, size, ctime_ns, mtime_ns)
    except struct.error:
        beyond = (mtime_ns + (1 << 63)) >> 64
        rest = mtime_ns - (beyond << 64)
        return _pack(dev, ino, size + (beyond << _SIZE_BITS), ctime_ns, rest)


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """What a stat says of a file; two equal ones mean an unchanged file."""

    dev: int
    ino: int
    size: int
    ctime_ns: int
    mtime_ns: int

    @classmethod
    def of_stat(cls, status: os.stat_result) -> "Fingerprint":
        """The fingerprint of a file from its stat; a date that no record holds is the nearest."""
        mtime_ns = min(max(status.st_mtime_ns, EARLIEST_NS), LATEST_NS)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, mtime_ns)

    def packed(self) -> bytes:
        """40 bytes, compared without decoding when 100,000 files are looked at."""
        return _packed(self.dev, self.ino, self.size, self.ctime_ns, self.mtime_ns)

    @classmethod
    def unpacked(cls, raw: bytes) -> "Fingerprint":
        """The inverse of packed(); what follows the 40 bytes is ignored."""
        dev, ino, size, ctime_ns, mtime_ns = _fingerprint.unpack_from(raw)
        beyond = size >> _SIZE_BITS
        return cls(dev, ino, size - (beyond << _SIZE_BITS), ctime_ns, mtime_ns + (beyond << 64))


FINGERPRINT_SIZE = _fingerprint.size


def packed_stat(status: os.stat_result) -> bytes:
    """The packed fingerprint of a stat, without the fingerprint: 100,000 of them count."""
    try:
        return _pack(
            status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
        )
    except struct.error:
        return Fingerprint.of_stat(status).packed()


class Sighting(msgspec.Struct, array_like=True, frozen=True):
    """What was last seen at a path. `gone_ns` is when the path was found missing; 0 = present."""

    path: bytes
    seen: Fingerprint
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


class TrashedFile(msgspec.Struct, array_like=True, frozen=True):
    """An image of a watch in the desktop's trash.

    `path` is where it lies in the trash folder `trash`, `origin` is where it was deleted.
    `gone_ns` is when it was found to have left the trash; 0 = it is there.
    """

    path: bytes
    seen: Fingerprint
    digest: bytes
    origin: bytes
    trash: bytes
    gone_ns: int = 0


class LabelEvent(msgspec.Struct, array_like=True, frozen=True):
    """One entry of the append-only label log.

    A seventh field in events of older versions lists the files that were moved with the label. It
    is ignored: such an event is an ordinary label, and undoing it moves no file.
    """

    time_ns: int
    taste: str
    digest: bytes
    label: EventName
    source: Source
    path: bytes


class Label(msgspec.Struct, array_like=True, frozen=True):
    """The current label of a digest under a taste: the log's last word."""

    label: LabelName
    sequence: int
    time_ns: int
    source: Source
    path: bytes


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why a file has no embedding. It is tried again when the file or the decoder changes."""

    path: bytes
    seen: Fingerprint
    digest: bytes
    reason: str
    remedy: str
    decoder: int


class Original(msgspec.Struct, array_like=True, frozen=True):
    """The user's own mtime of a file that we touch.

    `before_ns` and `after_ns` are our last touch: the file carries one of the two, depending on
    whether a crash came between the journal and the touch. `earlier` are dates of ours from before
    that. Anything else is the user's new date.
    """

    path: bytes
    original_ns: int
    before_ns: int
    after_ns: int
    earlier: list[int] = []


class Touch(msgspec.Struct, array_like=True, frozen=True):
    """One mtime of ours in the journal, written before it is done."""

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
    """Which scores of an inbox count as nearly equal under a head: see order/ties.py."""

    head: str
    count: int
    knots: list[float]


class HeadRecord(msgspec.Struct, array_like=True, frozen=True):
    """A trained head: where its file is and what was measured when it was made."""

    version: str
    taste: str
    embedder: str
    created_ns: int
    labels: int
    label_sequence: int
    accepted: bool
    report: dict[str, object]
