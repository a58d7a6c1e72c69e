"""The user's own mtimes of the files that we touch: written before the first touch.

Kept by digest and path, and found by the date a file carries: a file whose mtime is one of ours is
the file whose original we hold, wherever it was moved.
"""

import os
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Original, pack, path_key
from imgscore.store.transaction import Txn

# FAT stores 2 s; exFAT, SMB and archives lose the nanoseconds.
TOLERANCE_NS = 2 * 10**9
# A file can come back with an older date of ours: from a backup, or when the power failed before
# the disk had the newer one.
MAX_EARLIER = 8


class _Path(msgspec.Struct, array_like=True, frozen=True):
    """An original without its dates."""

    path: bytes


_decoder = msgspec.msgpack.Decoder(Original)
_path = msgspec.msgpack.Decoder(_Path)


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


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Original]]:
    """(digest, original) of every file that we touched and have not put back."""
    for key, value in txn.table("originals").scan():
        yield key[:32], _decoder.decode(value)


def paths(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """(digest, path) of each of them: a third of the time that `every` takes."""
    for key, value in txn.table("originals").scan():
        yield key[:32], _path.decode(value).path


def find(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """The original of a file with these bytes and this mtime at `path`, as `follow` would hold it.

    It may be held for a path that the file was moved or copied from. None: its date is the user's.
    """
    held = at(txn, digest, path)
    if held is not None and belongs(held, mtime_ns):
        return held
    source = _source(txn, digest, mtime_ns)
    return None if source is None else touched(source, path, mtime_ns, mtime_ns)


def follow(txn: Txn, digest: bytes, path: bytes, mtime_ns: int) -> Original | None:
    """Let the original follow a file to `path`; one that carries a foreign date has none any more.

    Returns what is held now.
    """
    found = find(txn, digest, path, mtime_ns)
    if found is None:
        forget(txn, digest, path)
    elif found != at(txn, digest, path):
        source = _source(txn, digest, mtime_ns)
        if source is not None and not os.path.lexists(source.path):
            forget(txn, digest, source.path)
        record(txn, digest, found)
    return found


def _source(txn: Txn, digest: bytes, mtime_ns: int) -> Original | None:
    """The original of a file with these bytes and a date of ours: of a moved one, else a copy's."""
    ours = [one for one in of_digest(txn, digest) if is_ours(one, mtime_ns)]
    return min(ours, key=lambda one: os.path.lexists(one.path), default=None)


def touched(held: Original | None, path: bytes, before_ns: int, after_ns: int) -> Original:
    """What to hold for a file that is about to be touched; `held`: what is held so far."""
    if held is None:
        return Original(path, before_ns, before_ns, after_ns)
    earlier = dict.fromkeys((*held.earlier, held.before_ns, held.after_ns))
    for date in (held.original_ns, before_ns):
        earlier.pop(date, None)
    return Original(path, held.original_ns, before_ns, after_ns, [*earlier][-MAX_EARLIER:])


def is_ours(original: Original, mtime_ns: int) -> bool:
    """Whether a file with this mtime carries a date of ours, exactly or as its disk rounded it."""
    return (
        near(original.after_ns, mtime_ns)
        or (original.before_ns != original.original_ns and near(original.before_ns, mtime_ns))
        or mtime_ns in original.earlier
    )


def belongs(original: Original, mtime_ns: int) -> bool:
    """Whether the date is one that this record explains: ours, or the user's untouched one."""
    return is_ours(original, mtime_ns) or near(original.original_ns, mtime_ns)


def near(ours_ns: int, mtime_ns: int) -> bool:
    """Whether a file given the one date may carry the other, on a disk with a coarse clock."""
    return ours_ns == mtime_ns or (
        # A coarse clock rounds to whole seconds; a date with finer digits is someone else's.
        mtime_ns % 10**9 == 0 and abs(ours_ns - mtime_ns) < TOLERANCE_NS
    )
