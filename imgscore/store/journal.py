"""The journal: the log of all touches.

A touch is written to the journal before the file changes.
"""

from collections.abc import Iterable, Iterator
from itertools import islice, takewhile

import msgspec

from imgscore.store.schema import Touch, pack
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(Touch)


def append(txn: Txn, touch: Touch) -> int:
    """Write a touch to the journal, and return the number of the touch.

    The caller must touch the file after this write, not before it.
    """
    return txn.table("journal").append(pack(touch))


def append_many(txn: Txn, touches: Iterable[Touch]) -> tuple[int, int]:
    """Write touches to the journal, and return the numbers of the first and the last of them."""
    return txn.table("journal").append_many(map(pack, touches))


def last_number(txn: Txn) -> int:
    """Return the number of the newest touch; 0 if the journal is empty."""
    return txn.table("journal").last_number()


def get(txn: Txn, number: int) -> Touch | None:
    """Return the touch with this number.

    None means that the journal does not contain a touch with this number. The touch may have
    expired.
    """
    value = txn.table("journal").get(number.to_bytes(8, "big")) if number > 0 else None
    return None if value is None else _decoder.decode(value)


def newest_first(txn: Txn, below: int | None = None) -> Iterator[tuple[int, Touch]]:
    """Yield (number, touch) for each touch of the journal, newest first.

    `below`: only touches with smaller numbers; None means all.
    """
    for key, value in txn.table("journal").backwards(below):
        yield int.from_bytes(key, "big"), _decoder.decode(value)


def forget_oldest(txn: Txn, until: int, limit: int) -> bool:
    """Delete the oldest touches of the journal.

    `until`: the number of the last touch that may be deleted. `limit`: the largest number of
    touches to delete. Return whether the journal still contains touches up to the number `until`.
    """
    table, last = txn.table("journal"), until.to_bytes(8, "big")
    keys = list(islice(takewhile(lambda key: key <= last, table.keys()), limit + 1))
    for key in keys[:limit]:
        table.delete(key)
    return len(keys) > limit
