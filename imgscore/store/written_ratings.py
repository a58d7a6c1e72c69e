"""The log of the ratings that imgscore wrote with `imgscore rate`: one record for each image.

imgscore learns nothing from these ratings, and `rate --undo` removes them.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from imgscore.store.schema import pack, path_key
from imgscore.store.transaction import Txn

Kind = Literal["sidecar", "xattr"]
"""The place of a rating: an XMP sidecar, or an extended attribute of the image."""


class WrittenRating(msgspec.Struct, array_like=True, frozen=True):
    """A rating that was written, or was about to be written. `path`: the image."""

    path: bytes
    kind: Kind
    stars: int
    time_ns: int


_decoder = msgspec.msgpack.Decoder(WrittenRating)


def key(path: bytes, kind: Kind) -> bytes:
    """Return the key of a record."""
    return path_key(path) + kind.encode()


def find(txn: Txn, path: bytes, kind: Kind) -> WrittenRating | None:
    """Return the rating that was written for an image, or None."""
    value = txn.table("written_ratings").get(key(path, kind))
    return None if value is None else _decoder.decode(value)


def record(txn: Txn, written: WrittenRating) -> None:
    """Write a record. It replaces the former record of this image and this kind."""
    txn.table("written_ratings").put(key(written.path, written.kind), pack(written))


def forget(txn: Txn, path: bytes, kind: Kind) -> None:
    """Delete the record of an image, because its rating is not ours any more."""
    txn.table("written_ratings").delete(key(path, kind))


def iter_from(txn: Txn, first: bytes) -> Iterator[tuple[bytes, WrittenRating]]:
    """Yield the keys and the records from the key `first` on, sorted by key."""
    for found, value in txn.table("written_ratings").scan_from(first):
        yield found, _decoder.decode(value)
