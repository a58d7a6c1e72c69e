"""The technical quality of the images in groups, by digest. Most images have no record."""

from collections.abc import Iterator

import msgspec

from imgscore.groups.best import Quality
from imgscore.store.schema import pack
from imgscore.store.transaction import Txn


class QualityRecord(msgspec.Struct, array_like=True, frozen=True):
    """The quality of one image.

    `version`: the version of the measurement (`groups.best.VERSION`). `quality`: it has only the
    facts that are known without the pixels if the image could not be measured.
    """

    version: int
    quality: Quality


_decoder = msgspec.msgpack.Decoder(QualityRecord)


def record(txn: Txn, digest: bytes, stored: QualityRecord) -> None:
    """Write the quality of a digest. It replaces the former record."""
    txn.table("qualities").put(digest, pack(stored))


def of(txn: Txn, digest: bytes) -> Quality | None:
    """Return the quality of a digest. None means that no quality is stored."""
    found = find(txn, digest)
    return None if found is None else found.quality


def find(txn: Txn, digest: bytes) -> QualityRecord | None:
    """Return the record of a digest, with its version. None means that no quality is stored."""
    value = txn.table("qualities").get(digest)
    return None if value is None else _decoder.decode(value)


def iter_all(txn: Txn) -> Iterator[tuple[bytes, QualityRecord]]:
    """Yield (digest, record) for each digest that has a quality."""
    for key, value in txn.table("qualities").scan():
        yield key, _decoder.decode(value)


def forget(txn: Txn, digest: bytes) -> None:
    """Delete the quality of a digest."""
    txn.table("qualities").delete(digest)
