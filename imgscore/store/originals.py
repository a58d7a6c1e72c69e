"""Originals: the user's own mtimes of touched files, written before the first touch.

An original is stored by digest and path. A moved file is recognised by its date: a file with the
digest of an original, and with a date that we set, is the file that the original belongs to.
"""

import os
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import DIGEST_SIZE, FileAt, Original, pack, path_key
from imgscore.store.transaction import Txn

# Nanoseconds. FAT stores dates in steps of 2 s; exFAT, SMB and archives drop the nanoseconds.
TOLERANCE_NS = 2 * 10**9
# Dates in `Original.earlier`. A file can return with an older date that we set: from a backup, or
# after a power failure before the newer date was on disk.
MAX_EARLIER = 8


class _Path(msgspec.Struct, array_like=True, frozen=True):
    """An original without its dates."""

    path: bytes


_decoder = msgspec.msgpack.Decoder(Original)
_path = msgspec.msgpack.Decoder(_Path)


def record(txn: Txn, digest: bytes, original: Original) -> None:
    """Write the original of a file."""
    txn.table("originals").put(digest + path_key(original.path), pack(original))


def forget(txn: Txn, digest: bytes, path: bytes) -> None:
    """Delete the original of a file that has the user's date again."""
    txn.table("originals").delete(digest + path_key(path))


def get(txn: Txn, digest: bytes, path: bytes) -> Original | None:
    """Return the original of the file at `path`."""
    value = txn.table("originals").get(digest + path_key(path))
    return None if value is None else _decoder.decode(value)


def of_digest(txn: Txn, digest: bytes) -> list[Original]:
    """Return all originals of a digest."""
    return [_decoder.decode(value) for _, value in txn.table("originals").scan(digest)]


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """Yield (digest, original) of every file that has a date that we set."""
    for key, value in txn.table("originals").scan():
        yield key[:DIGEST_SIZE], _decoder.decode(value)


def touched_files(txn: Txn) -> Iterator[FileAt]:
    """Yield every file that has an original: takes a third of the time of `iter_all`."""
    for key, value in txn.table("originals").scan():
        yield FileAt(key[:DIGEST_SIZE], _path.decode(value).path)


def find(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """Return the original of a file with this digest and mtime at `path`, as `follow` writes it.

    The store may have it under a path that the file was moved or copied from. None: the file has
    the user's date.
    """
    original = get(txn, digest, path)
    if original is not None and belongs(original, mtime_ns):
        return original
    source = _source(txn, digest, mtime_ns)
    return None if source is None else touched(source, path, mtime_ns, mtime_ns)


def follow(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """Move the original of a file to `path`; delete it if the file has the user's date.

    Returns the original that is stored now.
    """
    original = find(txn, digest, path, mtime_ns)
    if original is None:
        forget(txn, digest, path)
    elif original != get(txn, digest, path):
        source = _source(txn, digest, mtime_ns)
        if source is not None and not os.path.lexists(source.path):
            forget(txn, digest, source.path)
        record(txn, digest, original)
    return original


def _source(txn: Txn, digest: bytes, mtime_ns: int) -> Original | None:
    """Return the original of a file with this digest that had this date.

    One whose path no longer exists comes first: that file was moved, any other was copied.
    """
    originals = [original for original in of_digest(txn, digest) if is_ours(original, mtime_ns)]
    return min(originals, key=lambda original: os.path.lexists(original.path), default=None)


def touched(original: Original | None, path: bytes, before_ns: int, after_ns: int) -> Original:
    """Return the original to store before a touch; `original`: the one stored so far."""
    if original is None:
        return Original(path, before_ns, before_ns, after_ns)
    earlier = dict.fromkeys((*original.earlier, original.before_ns, original.after_ns))
    for date in (original.original_ns, before_ns):
        earlier.pop(date, None)
    return Original(path, original.original_ns, before_ns, after_ns, [*earlier][-MAX_EARLIER:])


def is_ours(original: Original, mtime_ns: int) -> bool:
    """Whether we set this mtime, exactly or as the file system rounded it."""
    return (
        near(original.after_ns, mtime_ns)
        or (original.before_ns != original.original_ns and near(original.before_ns, mtime_ns))
        or mtime_ns in original.earlier
    )


def belongs(original: Original, mtime_ns: int) -> bool:
    """Whether this mtime is one that we set, or the user's own that we replaced."""
    return is_ours(original, mtime_ns) or near(original.original_ns, mtime_ns)


def near(ours_ns: int, mtime_ns: int) -> bool:
    """Whether a file system with a coarse clock can have rounded the first date to the second."""
    return ours_ns == mtime_ns or (
        # A coarse clock rounds to whole seconds; another program set a date with finer digits.
        mtime_ns % 10**9 == 0 and abs(ours_ns - mtime_ns) < TOLERANCE_NS
    )
