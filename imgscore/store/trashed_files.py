"""Images of a watch that were seen in the desktop's trash, by where they lie in it.

One that has left the trash keeps its record, marked gone, so that a restored file can be told from
one that is brought anew.
"""

import time
from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Deletion, pack, path_key
from imgscore.store.store import Txn

_decoder = msgspec.msgpack.Decoder(Deletion)


def find(txn: Txn, path: bytes, digest: bytes | None = None) -> Deletion | None:
    """What is known of a path in the trash, gone or not; with `digest`, of when it held that."""
    table, key = txn.table("deletions"), path_key(path)
    value = table.get(key)
    last = None if value is None else _decoder.decode(value)
    if last is None or digest in (None, last.digest):
        return last
    value = table.get(key + digest)
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, deletion: Deletion) -> None:
    """Write what lies at a path in the trash. What lay there before has left it."""
    table, key, before = txn.table("deletions"), path_key(deletion.path), find(txn, deletion.path)
    if before is not None and before.digest != deletion.digest:
        gone_ns = before.gone_ns or time.time_ns()
        table.put(key + before.digest, pack(msgspec.structs.replace(before, gone_ns=gone_ns)))
    table.put(key, pack(deletion))


def mark_gone(txn: Txn, path: bytes) -> None:
    """Nothing is at `path` now: it was restored, or the trash was emptied."""
    deletion = find(txn, path)
    if deletion is not None and not deletion.gone_ns:
        record(txn, msgspec.structs.replace(deletion, gone_ns=time.time_ns()))


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


def every(txn: Txn) -> Iterator[Deletion]:
    """Every record, gone or not."""
    return (_decoder.decode(value) for _, value in txn.table("deletions").scan())


def present(txn: Txn) -> Iterator[Deletion]:
    """Every image that lay in the trash when it was last looked at."""
    for _, value in txn.table("deletions").scan():
        deletion = _decoder.decode(value)
        if not deletion.gone_ns:
            yield deletion
