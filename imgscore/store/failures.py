"""The failures: records of the files that have no embedding, with the reason.

Each failure is stored by the path of the file.
"""

from collections.abc import Iterable, Iterator

import msgspec

from imgscore.store.schema import Failure, pack, path_key
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(Failure)


def record(txn: Txn, failure: Failure) -> None:
    """Write a failure: the reason why the file at a path has no embedding."""
    txn.table("failures").put(path_key(failure.path), pack(failure))


def forget(txn: Txn, path: bytes) -> bool:
    """Delete the failure of the file at `path`. Return False if there is no such failure."""
    return txn.table("failures").delete(path_key(path))


def forget_all(txn: Txn, paths: Iterable[bytes]) -> None:
    """Delete the failures of the files at `paths`, if there are any."""
    if len(txn.table("failures")):
        for path in paths:
            forget(txn, path)


def find(txn: Txn, path: bytes) -> Failure | None:
    """Return the failure of the file at `path`. None means that there is no such failure."""
    value = txn.table("failures").get(path_key(path))
    return None if value is None else _decoder.decode(value)


def iter_all(txn: Txn) -> Iterator[Failure]:
    """Yield all failures."""
    for _, value in txn.table("failures").scan():
        yield _decoder.decode(value)
