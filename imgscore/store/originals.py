"""The user's own mtimes of the files that we touch: written before the first touch.

Kept by digest and path, and found by the date a file carries: a file whose mtime is one of ours is
the file whose original we hold, wherever it was moved.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Original, pack, path_key
from imgscore.store.store import Txn

# FAT stores 2 s; exFAT, SMB and archives lose the nanoseconds.
TOLERANCE_NS = 2 * 10**9

_decoder = msgspec.msgpack.Decoder(Original)


def record(txn: Txn, digest: bytes, original: Original) -> None:
    """Write the original of one file."""
    txn.table("originals").put(digest + path_key(original.path), pack(original))


def forget(txn: Txn, digest: bytes, path: bytes) -> None:
    """The file has its own date back, or a new one of the user's."""
    txn.table("originals").delete(digest + path_key(path))


def at(txn: Txn, digest: bytes, path: bytes) -> Original | None:
    """The original of the file at `path`."""
    value = txn.table("originals").get(digest + path_key(path))
    return None if value is None else _decoder.decode(value)


def of_digest(txn: Txn, digest: bytes) -> list[Original]:
    """All originals held of a digest."""
    return [_decoder.decode(value) for _, value in txn.table("originals").scan(digest)]


def every(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """(digest, original) of every file that we touched and have not put back."""
    for key, value in txn.table("originals").scan():
        yield key[:32], _decoder.decode(value)


def is_ours(original: Original, mtime_ns: int) -> bool:
    """Whether a file with this mtime carries a date of ours, exactly or as its disk rounded it."""
    return _near(original.after_ns, mtime_ns) or (
        original.before_ns != original.original_ns and _near(original.before_ns, mtime_ns)
    )


def belongs(original: Original, mtime_ns: int) -> bool:
    """Whether the date is one that this record explains: ours, or the user's untouched one."""
    return is_ours(original, mtime_ns) or _near(original.original_ns, mtime_ns)


def _near(ours_ns: int, mtime_ns: int) -> bool:
    return ours_ns == mtime_ns or (
        # A coarse clock rounds to whole seconds; a date with finer digits is someone else's.
        mtime_ns % 10**9 == 0 and abs(ours_ns - mtime_ns) < TOLERANCE_NS
    )
