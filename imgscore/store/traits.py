"""The traits of images (width, height, format, camera …), by digest."""

from collections.abc import Iterator

import msgspec

from imgscore.images.traits import Traits
from imgscore.store.schema import pack
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(Traits)


def record(txn: Txn, digest: bytes, traits: Traits) -> None:
    """Write the traits of a digest."""
    txn.table("traits").put(digest, pack(traits))


def get(txn: Txn, digest: bytes) -> Traits | None:
    """Return the traits of a digest. None means that no traits are stored."""
    value = txn.table("traits").get(digest)
    return None if value is None else _decoder.decode(value)


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Traits]]:
    """Yield (digest, traits) for each digest that has traits."""
    for key, value in txn.table("traits").scan():
        yield key, _decoder.decode(value)
