"""The small values in the table `meta`: the settings, and the quantiles that limit ties."""

import msgspec

from imgscore.store.schema import Ties, pack, path_key
from imgscore.store.transaction import Txn

_ties = msgspec.msgpack.Decoder(Ties)


def get(txn: Txn, name: str) -> str | None:
    """Return the value of a setting, such as `paused_until_ns`. None means that it is not set.

    The value of a setting stays in the store after the process ends.
    """
    value = txn.table("meta").get(f"setting:{name}".encode())
    return None if value is None else value.decode()


def put(txn: Txn, name: str, value: str | None) -> None:
    """Write a setting. A `value` of None deletes the setting."""
    if value is None:
        txn.table("meta").delete(f"setting:{name}".encode())
    else:
        txn.table("meta").put(f"setting:{name}".encode(), value.encode())


def record_ties(txn: Txn, inbox: bytes, ties: Ties) -> None:
    """Write the quantiles that limit the ties in an inbox. See order/ties.py."""
    txn.table("meta").put(b"ties:" + path_key(inbox), pack(ties))


def ties(txn: Txn, inbox: bytes, head: str) -> Ties | None:
    """Return the quantiles that limit the ties in an inbox. See order/ties.py.

    None means that the store contains no quantiles for the scores of this head.
    """
    value = txn.table("meta").get(b"ties:" + path_key(inbox))
    recorded = None if value is None else _ties.decode(value)
    return recorded if recorded is not None and recorded.head == head else None
