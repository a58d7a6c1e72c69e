"""The records of the store and their encoding. Pure: no database here.

Structs are encoded as arrays: a later version may only append fields, with a default.
"""

import hashlib
import os
import struct
from typing import Literal, NamedTuple, TypeVar

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


# Nanoseconds: the years 1677 and 2554. msgpack, and so a record, has no integers beyond them.
EARLIEST_NS, LATEST_NS = -(1 << 63), (1 << 64) - 1


def pack(record: msgspec.Struct) -> bytes:
    """Encode a record as msgpack."""
    return _encoder.encode(record)


def path_key(path: bytes) -> bytes:
    """Return 16 bytes that stand for a path: LMDB keys have at most 511 bytes, paths 4,096."""
    return hashlib.blake2b(path, digest_size=16).digest()


_fingerprint = struct.Struct("<QQqqq")
_pack = _fingerprint.pack
_SIZE_BITS = 56


def _packed(dev: int, ino: int, size: int, ctime_ns: int, mtime_ns: int) -> bytes:
    """Pack a fingerprint into 40 bytes.

    A date before 1677 or after 2262 needs more than 64 bits: its highest bits go into the highest
    byte of the size, which is 0 for any other date.
    """
    try:
        return _pack(dev, ino, size, ctime_ns, mtime_ns)
    except struct.error:
        beyond = (mtime_ns + (1 << 63)) >> 64
        rest = mtime_ns - (beyond << 64)
        return _pack(dev, ino, size + (beyond << _SIZE_BITS), ctime_ns, rest)


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a file's stat that change when the file changes."""

    dev: int
    ino: int
    size: int
    ctime_ns: int
    mtime_ns: int

    @classmethod
    def of_stat(cls, status: os.stat_result) -> "Fingerprint":
        """Take the fingerprint from a stat; a date out of range becomes the nearest possible."""
        mtime_ns = min(max(status.st_mtime_ns, EARLIEST_NS), LATEST_NS)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, mtime_ns)

    def packed(self) -> bytes:
        """Pack into 40 bytes, which a scan of 100,000 files compares without decoding."""
        return _packed(self.dev, self.ino, self.size, self.ctime_ns, self.mtime_ns)

    @classmethod
    def unpacked(cls, raw: bytes) -> "Fingerprint":
        """Unpack the first 40 bytes."""
        dev, ino, size, ctime_ns, mtime_ns = _fingerprint.unpack_from(raw)
        beyond = size >> _SIZE_BITS
        return cls(dev, ino, size - (beyond << _SIZE_BITS), ctime_ns, mtime_ns + (beyond << 64))


FINGERPRINT_SIZE = _fingerprint.size


def packed_stat(status: os.stat_result) -> bytes:
    """Pack a stat as Fingerprint.packed does, without creating the struct, for 100,000 files."""
    try:
        return _pack(
            status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
        )
    except struct.error:
        return Fingerprint.of_stat(status).packed()


class FileAt(NamedTuple):
    """A file that had this digest when it was last seen at this path."""

    digest: bytes
    path: bytes


class Sighting(msgspec.Struct, array_like=True, frozen=True):
    """The file last seen at a path. `gone_ns`: when a scan found it missing; 0 = present."""

    path: bytes
    seen: Fingerprint
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


class TrashedFile(msgspec.Struct, array_like=True, frozen=True):
    """An image of a watch in the desktop's trash.

    path: its path in the trash folder `trash`. origin: the path that it was deleted from.
    gone_ns: when a scan found that it had left the trash; 0 = it is in the trash.
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
    """The current label of a digest under a taste, from its last event in the log."""

    label: LabelName
    sequence: int
    time_ns: int
    source: Source
    path: bytes


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why a file has no embedding. It is read again when the file or the decoder changes."""

    path: bytes
    seen: Fingerprint
    digest: bytes
    reason: str
    remedy: str
    decoder: int


class Original(msgspec.Struct, array_like=True, frozen=True):
    """The user's own mtime of a file that we touched.

    before_ns, after_ns: our last touch. The file has one of the two dates: `before_ns` if a crash
    came between the journal entry and the touch. earlier: dates that we set before that. Any
    other date is a new one of the user.
    """

    path: bytes
    original_ns: int
    before_ns: int
    after_ns: int
    earlier: list[int] = []


class Touch(msgspec.Struct, array_like=True, frozen=True):
    """One entry of the journal, written before the file's mtime is set."""

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
    """Quantiles of an inbox's scores under a head, for deciding ties: see order/ties.py."""

    head: str
    count: int
    knots: list[float]


class HeadRecord(msgspec.Struct, array_like=True, frozen=True):
    """A trained head: its version, which names its file, and the measurements of its training."""

    version: str
    taste: str
    embedder: str
    created_ns: int
    labels: int
    label_sequence: int
    accepted: bool
    report: dict[str, object]
