"""Images of a watch that were seen in the desktop's trash, by where they lie in it.

One that has left the trash keeps its record, marked gone, so that a restored file can be told from
one that is brought anew.
"""

import time
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import TrashedFile, pack, path_key
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(TrashedFile)


def find(txn: Txn, path: bytes, digest: bytes | None = None) -> TrashedFile | None:
    """What is known of a path in the trash, gone or not; with `digest`, of when it held that."""
    table, key = txn.table("deletions"), path_key(path)
    value = table.get(key)
    last = None if value is None else _decoder.decode(value)
    if last is None or digest in (None, last.digest):
        return last
    value = table.get(key + digest)
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, trashed_file: TrashedFile) -> None:
    """Write what lies at a path in the trash. What lay there before has left it."""
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
    """Nothing is at `path` now: it was restored, or the trash was emptied."""
    trashed_file = find(txn, path)
    if trashed_file is not None and not trashed_file.gone_ns:
        record(txn, msgspec.structs.replace(trashed_file, gone_ns=time.time_ns()))


def gone_before(txn: Txn, before_ns: int) -> Iterator[bytes]:
    """Keys of the records of what left the trash before then."""
    for key, value in txn.table("deletions").scan():
        if 0 < _decoder.decode(value).gone_ns < before_ns:
            yield key


def forget(txn: Txn, key: bytes, before_ns: int) -> None:
    """Remove a record, if what it is about left the trash before then."""
    value = txn.table("deletions").get(key)
    if value is not None and 0 < _decoder.decode(value).gone_ns < before_ns:
        txn.table("deletions").delete(key)


def iter_all(txn: Txn) -> Iterator[TrashedFile]:
    """Every record, gone or not."""
    return (_decoder.decode(value) for _, value in txn.table("deletions").scan())


def present(txn: Txn) -> Iterator[TrashedFile]:
    """Every image that lay in the trash when it was last looked at."""
    for _, value in txn.table("deletions").scan():
        trashed_file = _decoder.decode(value)
        if not trashed_file.gone_ns:
            yield trashed_file
