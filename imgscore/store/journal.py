"""The journal of touches: each is written here before it is made on the file."""

from collections.abc import Iterator
from itertools import islice, takewhile

import msgspec

from imgscore.store.schema import Touch, pack
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(Touch)


def append(txn: Txn, touch: Touch) -> int:
    """Write a touch that is about to be made; return its number."""
    return txn.table("journal").append(pack(touch))


def last_number(txn: Txn) -> int:
    """Return the number of the newest touch; 0 where there is none."""
    last = txn.table("journal").last()
    return int.from_bytes(last[0], "big") if last else 0


def get(txn: Txn, number: int) -> Touch | None:
    """Return a touch by its number; None where the journal does not hold it, or no longer."""
    value = txn.table("journal").get(number.to_bytes(8, "big")) if number > 0 else None
    return None if value is None else _decoder.decode(value)


def newest_first(txn: Txn) -> Iterator[tuple[int, Touch]]:
    """Yield (number, touch), newest first."""
    for key, value in txn.table("journal").backwards():
        yield int.from_bytes(key, "big"), _decoder.decode(value)


def forget_oldest(txn: Txn, until: int, limit: int) -> bool:
    """Delete the oldest touches up to number `until`, at most `limit`; True if some are left."""
    table, last = txn.table("journal"), until.to_bytes(8, "big")
    keys = list(islice(takewhile(lambda key: key <= last, table.keys()), limit + 1))
    for key in keys[:limit]:
        table.delete(key)
    return len(keys) > limit
