"""Repeat the deferred writes of an order after a crash (see deferred.py).

A record of the table `unsettled` belongs to one batch of an order. Its key is the number of the
last touch of the batch in the journal. Its value contains the number of the first touch, and the
states of the files that the batch before has touched. With these states, the next scan need not
read the files again.
"""

import msgspec

from imgscore.store import journal, originals
from imgscore.store.schema import FINGERPRINT_SIZE, pack
from imgscore.store.transaction import Txn

_PATH_KEY = 16
_RECORD = _PATH_KEY + FINGERPRINT_SIZE


class Unsettled(msgspec.Struct, array_like=True, frozen=True):
    """One batch whose writes were deferred.

    `first`: the number of its first touch in the journal. `touched`: the path key (16 bytes) and
    the packed fingerprint (40 bytes) of each file of the batch before.
    """

    first: int
    touched: bytes


_decoder = msgspec.msgpack.Decoder(Unsettled)


def record(txn: Txn, first: int, last: int, touched: bytes) -> None:
    """Store that the writes of the batch with these touches of the journal are deferred."""
    txn.table("unsettled").put(last.to_bytes(8, "big"), pack(Unsettled(first, touched)))


def settle(txn: Txn) -> None:
    """Make all writes that were deferred before the crash. A repeated write changes nothing."""
    table, sightings = txn.table("unsettled"), txn.table("sightings")
    for key, value in list(table.scan()):
        batch, last = _decoder.decode(value), int.from_bytes(key, "big")
        for at in range(0, len(batch.touched), _RECORD):
            path, seen = batch.touched[at : at + _PATH_KEY], batch.touched[at + _PATH_KEY :]
            known = sightings.get(path)
            # The next scan reads a file without a sighting.
            if known is not None:
                sightings.put(path, seen[:FINGERPRINT_SIZE] + known[FINGERPRINT_SIZE:])
        for number in range(batch.first, last + 1):
            touch = journal.get(txn, number)
            if touch is not None:
                originals.repeat(txn, touch)
    table.delete_all(b"")
