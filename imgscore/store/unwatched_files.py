"""Files that were embedded where they lie without being watched, so that none is read twice.

Like a sighting, but nothing follows from it: no label, no order, and nothing when it is gone.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import Fingerprint, pack, path_key
from imgscore.store.transaction import Txn


class Archived(msgspec.Struct, array_like=True, frozen=True):
    """What a file was when it was read; `reason` and `remedy` where it could not be embedded."""

    seen: Fingerprint
    digest: bytes
    reason: str = ""
    remedy: str = ""
    decoder: int = 0


_decoder = msgspec.msgpack.Decoder(Archived)


def find(txn: Txn, path: bytes) -> Archived | None:
    """What is known of the file at `path`."""
    value = txn.table("archive").get(path_key(path))
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, path: bytes, archived: Archived) -> None:
    """Write what was found at `path`."""
    txn.table("archive").put(path_key(path), pack(archived))


def iter_all(txn: Txn) -> Iterator[Archived]:
    """Every record."""
    return (_decoder.decode(value) for _, value in txn.table("archive").scan())
