"""The records of files that `embed` has read and that are outside of all watched folders.

If a file has a record and has not changed, `embed` does not read the file again. These records have
no effect on labels or order. No scan checks whether the file of a record still exists.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Fingerprint, pack, path_key
from imgscore.store.transaction import Txn


class UnwatchedFile(msgspec.Struct, array_like=True, frozen=True):
    """The record of a file that `embed` has read.

    `reason` and `remedy` are set if the file could not be embedded.
    """

    seen: Fingerprint
    digest: bytes
    reason: str = ""
    remedy: str = ""
    decoder: int = 0


_decoder = msgspec.msgpack.Decoder(UnwatchedFile)


def find(txn: Txn, path: bytes) -> UnwatchedFile | None:
    """Return the record of the file at `path`. None means that there is no record."""
    value = txn.table("archive").get(path_key(path))
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, path: bytes, file: UnwatchedFile) -> None:
    """Write the record of the file at `path`."""
    txn.table("archive").put(path_key(path), pack(file))


def iter_all(txn: Txn) -> Iterator[UnwatchedFile]:
    """Yield all records."""
    return (_decoder.decode(value) for _, value in txn.table("archive").scan())


def count(txn: Txn) -> int:
    """Return the number of records."""
    return len(txn.table("archive"))
