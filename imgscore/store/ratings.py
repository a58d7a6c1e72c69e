"""The ratings that other programs store in files, and the images whose ratings are not read yet.

The records can be made again from the files. Therefore they have no checksum.
"""

from collections.abc import Iterable, Iterator, Set
from itertools import filterfalse

import msgspec

from imgscore.store.schema import FINGERPRINT_SIZE, Fingerprint, pack, path_key
from imgscore.store.transaction import Txn


class RatedFile(msgspec.Struct, array_like=True, frozen=True):
    """The ratings of the image at a path, as they were when they were read last.

    values: the value of each source (`sidecar`, `stem`, `file`, `xattr`) that has one: a grade, or
    a negative number for 0 stars.
    winner: the source whose value counts; "" if no source has a value.
    carried: the values that the file had at its former path, as far as they were not read again.
    After a move, a sidecar can arrive later than its image.
    """

    path: bytes
    digest: bytes
    values: dict[str, float]
    winner: str = ""
    carried: dict[str, float] = {}

    @property
    def grade(self) -> float | None:
        """The grade of the rating that counts; None if the image has no rating."""
        value = self.values.get(self.winner, -1.0)
        return None if value < 0 else value


_NEW, _CHANGED = b"\1", b"\0"
"""The first byte of a record in the table `unread_ratings`. The other bytes are the path."""
_decoder = msgspec.msgpack.Decoder(RatedFile)


def find(txn: Txn, path: bytes) -> RatedFile | None:
    """Return the ratings of the image at a path, or None if it never had a rating."""
    value = txn.table("ratings").get(path_key(path))
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, rated: RatedFile) -> None:
    """Write the ratings of the image at a path."""
    txn.table("ratings").put(path_key(rated.path), pack(rated))


def forget(txn: Txn, path: bytes) -> None:
    """Delete the ratings of the image at a path. Its labels stay in the store."""
    txn.table("ratings").delete(path_key(path))
    txn.table("unread_ratings").delete(path_key(path))


def forget_other(txn: Txn, path: bytes, digest: bytes) -> None:
    """Delete the ratings at a path if they are those of another image than `digest`."""
    rated = find(txn, path)
    if rated is not None and rated.digest != digest:
        forget(txn, path)


def follow(txn: Txn, former: bytes, path: bytes, digest: bytes) -> None:
    """Move the ratings of an image from its former path to its present path."""
    old = find(txn, former)
    if old is None:
        return
    forget(txn, former)
    present = find(txn, path)
    if present is None or present.digest != digest:  # The file has replaced another image.
        record(txn, RatedFile(path, digest, {}, carried=old.carried | old.values))


# ---- images whose ratings are not read yet


def enqueue(txn: Txn, path: bytes, *, new: bool) -> None:
    """Note that the ratings of an image have to be read.

    `new`: whether the file is new at this path. Otherwise it has changed.
    """
    table, key = txn.table("unread_ratings"), path_key(path)
    if new or table.get(key) is None:
        table.put(key, (_NEW if new else _CHANGED) + path)


def dequeue(txn: Txn, path: bytes) -> bool:
    """Note that the ratings of an image are read. Return whether the file was new."""
    table, key = txn.table("unread_ratings"), path_key(path)
    value = table.get(key)
    if value is not None:
        table.delete(key)
    return value is not None and value.startswith(_NEW)


def queued(txn: Txn) -> Iterator[bytes]:
    """Yield the paths of the images whose ratings have to be read."""
    return (value[1:] for _, value in txn.table("unread_ratings").scan())


def empty_queue(txn: Txn) -> None:
    """Note that no ratings have to be read."""
    txn.table("unread_ratings").delete_all(b"")


# ---- sidecars


def record_sidecar(txn: Txn, path: bytes, seen: Fingerprint | None) -> None:
    """Write the state in which a sidecar was read. None means that there is no sidecar now."""
    table, key = txn.table("sidecars"), path_key(path)
    if seen is None:
        table.delete(key)
    else:
        table.put(key, seen.packed() + path)


def knows_sidecar(txn: Txn, path: bytes) -> bool:
    """Return whether the store contains the state of a sidecar."""
    return txn.table("sidecars").get(path_key(path)) is not None


def touched_sidecar(txn: Txn, path: bytes, before: Fingerprint, after: Fingerprint) -> None:
    """Write the new state of a sidecar whose date imgscore has changed.

    Without this record, the sidecar would be read again. A sidecar that differed from its record
    before the change keeps the old record.
    """
    value = txn.table("sidecars").get(path_key(path))
    if value is not None and value.startswith(before.packed()):
        record_sidecar(txn, path, after)


def changed_sidecars(txn: Txn, seen: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the paths of the sidecars that differ from their records.

    `seen`: the path and the packed fingerprint of each sidecar.
    """
    known = txn.table("sidecars").getter()
    return [path for path, packed in seen if not known(path_key(path), b"").startswith(packed)]


def missing_sidecars(txn: Txn, present: Set[bytes], root: bytes) -> Iterator[bytes]:
    """Yield the paths of the recorded sidecars that are not in `present`.

    `present`: the path keys of the sidecars on disk. `root`: the folder that was scanned. A record
    that does not contain `root` is skipped; the caller must check whether a path is inside it.
    """
    table = txn.table("sidecars")
    for key in list(filterfalse(present.__contains__, table.keys())):
        value = table.get(key)
        if value is not None and root in value:
            yield value[FINGERPRINT_SIZE:]
