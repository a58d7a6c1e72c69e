"""The originals: the dates (mtimes) that files had before imgscore touched them.

An original is written before the first touch of its file. It is stored by the digest and the path
of the file. If a file was moved, its original is still stored under the old path. An original
belongs to the moved file if the digests are equal and imgscore set the date of the moved file.
"""

import os
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import DIGEST_SIZE, FileAt, Original, pack, path_key
from imgscore.store.transaction import Txn

# The upper limit for the rounding error of a date, in nanoseconds. FAT stores dates in steps of two
# seconds. exFAT, SMB and archives do not store the nanoseconds.
TOLERANCE_NS = 2 * 10**9
# The largest number of dates in `Original.earlier`. A file can have an earlier date again in two
# cases: the file was restored from a backup, or the power failed before a new date was on disk.
MAX_EARLIER = 8


class _Path(msgspec.Struct, array_like=True, frozen=True):
    """The part of an Original that contains only the path.

    Decoding only the path is faster than decoding an Original.
    """

    path: bytes


_decoder = msgspec.msgpack.Decoder(Original)
_path = msgspec.msgpack.Decoder(_Path)


def record(txn: Txn, digest: bytes, original: Original) -> None:
    """Write the original of a file."""
    txn.table("originals").put(digest + path_key(original.path), pack(original))


def forget(txn: Txn, digest: bytes, path: bytes) -> None:
    """Delete the original of a file, because the user has set the date of the file."""
    txn.table("originals").delete(digest + path_key(path))


def get(txn: Txn, digest: bytes, path: bytes) -> Original | None:
    """Return the original that is stored for this digest and path.

    None means that there is no original.
    """
    value = txn.table("originals").get(digest + path_key(path))
    return None if value is None else _decoder.decode(value)


def of_digest(txn: Txn, digest: bytes) -> list[Original]:
    """Return all originals of a digest."""
    return [_decoder.decode(value) for _, value in txn.table("originals").scan(digest)]


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """Yield (digest, original) for each file that has an original."""
    for key, value in txn.table("originals").scan():
        yield key[:DIGEST_SIZE], _decoder.decode(value)


def touched_files(txn: Txn) -> Iterator[FileAt]:
    """Yield all files that have an original. This takes a third of the time of `iter_all`."""
    for key, value in txn.table("originals").scan():
        yield FileAt(key[:DIGEST_SIZE], _path.decode(value).path)


def find(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """Return the original that belongs to the file at `path`.

    `digest`, `mtime_ns`: the digest and the present mtime of the file. If the file was moved or
    copied, its original may be stored under another path. The returned original has `path` as its
    path, even then. None means that the user set `mtime_ns`, so the file needs no original.
    """
    original = get(txn, digest, path)
    if original is not None and belongs(original, mtime_ns):
        return original
    source = _source(txn, digest, mtime_ns)
    return None if source is None else touched(source, path, mtime_ns, mtime_ns)


def follow(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """Store the original of a file under the file's present path, and return the original.

    If the user has set the file date since the last touch, delete the original and return None.
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
    """Return an original with this digest whose dates show that imgscore set `mtime_ns`.

    None means that there is no such original. If there are several, the function prefers an
    original whose path no longer exists, because that file was moved. A file whose path still
    exists was only copied.
    """
    originals = [original for original in of_digest(txn, digest) if is_ours(original, mtime_ns)]
    return min(originals, key=lambda original: os.path.lexists(original.path), default=None)


def touched(original: Original | None, path: bytes, before_ns: int, after_ns: int) -> Original:
    """Return the original that must be stored before a touch of the file at `path`.

    `original`: the original that is already stored, or None. `before_ns`, `after_ns`: the dates
    before and after the touch.
    """
    if original is None:
        return Original(path, before_ns, before_ns, after_ns)
    earlier = dict.fromkeys((*original.earlier, original.before_ns, original.after_ns))
    for date in (original.original_ns, before_ns):
        earlier.pop(date, None)
    return Original(path, original.original_ns, before_ns, after_ns, [*earlier][-MAX_EARLIER:])


def is_ours(original: Original, mtime_ns: int) -> bool:
    """Return whether the dates in `original` show that imgscore set `mtime_ns`.

    The file system may have rounded `mtime_ns`.
    """
    return (
        near(original.after_ns, mtime_ns)
        or (original.before_ns != original.original_ns and near(original.before_ns, mtime_ns))
        or mtime_ns in original.earlier
    )


def belongs(original: Original, mtime_ns: int) -> bool:
    """Return whether `mtime_ns` is a date that imgscore set, or the date before the first touch."""
    return is_ours(original, mtime_ns) or near(original.original_ns, mtime_ns)


def near(ours_ns: int, mtime_ns: int) -> bool:
    """Return whether `mtime_ns` is the date `ours_ns`, exactly or after rounding.

    `ours_ns`: a date that an Original contains. `mtime_ns`: the date that the file system returned.
    Some file systems round dates.
    """
    return ours_ns == mtime_ns or (
        # A rounded date is a whole number of seconds. A date with a fraction of a second was not
        # rounded, so another program set it.
        mtime_ns % 10**9 == 0 and abs(ours_ns - mtime_ns) < TOLERANCE_NS
    )
