"""Files outside every watch that `embed` has read, so that it reads none twice.

Such a record is like a sighting without consequences: no label, no order, no check for its file.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Fingerprint, pack, path_key
from imgscore.store.transaction import Txn


class UnwatchedFile(msgspec.Struct, array_like=True, frozen=True):
    """A file as it was read; `reason` and `remedy` are set if it could not be embedded."""

    seen: Fingerprint
    digest: bytes
    reason: str = ""
    remedy: str = ""
    decoder: int = 0


_decoder = msgspec.msgpack.Decoder(UnwatchedFile)


def find(txn: Txn, path: bytes) -> UnwatchedFile | None:
    """Return the record of the file at `path`."""
    value = txn.table("archive").get(path_key(path))
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, path: bytes, file: UnwatchedFile) -> None:
    """Write the record of the file at `path`."""
    txn.table("archive").put(path_key(path), pack(file))


def iter_all(txn: Txn) -> Iterator[UnwatchedFile]:
    """Yield every record."""
    return (_decoder.decode(value) for _, value in txn.table("archive").scan())
