"""The records of images that the user moved from a watch to the desktop's trash.

Each record is stored by the path of the image in the trash. If an image has left the trash, the
record of the image is marked as gone and is not deleted. The record helps to find out whether a
new file in a watch was restored from the trash.
"""

import time
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import TrashedFile, pack, path_key
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(TrashedFile)


def find(txn: Txn, path: bytes, digest: bytes | None = None) -> TrashedFile | None:
    """Return the record of an image at a path in the trash, even if the record is marked as gone.

    `digest`: the digest of the image. None means the image that was last at this path. The result
    is None if there is no record.
    """
    table, key = txn.table("deletions"), path_key(path)
    value = table.get(key)
    last = None if value is None else _decoder.decode(value)
    if last is None or digest in (None, last.digest):
        return last
    value = table.get(key + digest)
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, trashed_file: TrashedFile) -> None:
    """Write the record of an image that is at a path in the trash.

    If another image was at this path before, mark the record of the other image as gone.
    """
    table, key, before = (
        txn.table("deletions"),
        path_key(trashed_file.path),
        find(txn, trashed_file.path),
    )
    if before is not None and before.digest != trashed_file.digest:
        gone_ns = before.gone_ns or time.time_ns()
        table.put(key + before.digest, pack(msgspec.structs.replace(before, gone_ns=gone_ns)))
    table.put(key, pack(trashed_file))


def mark_gone(txn: Txn, path: bytes) -> None:
    """Mark the record of `path` as gone, because the image has left the trash."""
    trashed_file = find(txn, path)
    if trashed_file is not None and not trashed_file.gone_ns:
        record(txn, msgspec.structs.replace(trashed_file, gone_ns=time.time_ns()))


def gone_before(txn: Txn, before_ns: int) -> Iterator[bytes]:
    """Yield the keys of the records whose images left the trash before `before_ns`."""
    for key, value in txn.table("deletions").scan():
        if 0 < _decoder.decode(value).gone_ns < before_ns:
            yield key


def forget(txn: Txn, key: bytes, before_ns: int) -> None:
    """Delete the record at `key` if the image of the record left the trash before `before_ns`."""
    value = txn.table("deletions").get(key)
    if value is not None and 0 < _decoder.decode(value).gone_ns < before_ns:
        txn.table("deletions").delete(key)


def iter_all(txn: Txn) -> Iterator[TrashedFile]:
    """Yield all records, even if they are marked as gone."""
    return (_decoder.decode(value) for _, value in txn.table("deletions").scan())


def present(txn: Txn) -> Iterator[TrashedFile]:
    """Yield the record of each image that was in the trash at the last scan."""
    for _, value in txn.table("deletions").scan():
        trashed_file = _decoder.decode(value)
        if not trashed_file.gone_ns:
            yield trashed_file
