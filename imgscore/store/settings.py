"""Small values of the `meta` table: named settings, and the ties of each inbox."""

import msgspec

from imgscore.store.schema import Ties, pack, path_key
from imgscore.store.transaction import Txn

_ties = msgspec.msgpack.Decoder(Ties)


def get(txn: Txn, name: str) -> str | None:
    """Return a value that outlives the process, such as `paused_until_ns`."""
    value = txn.table("meta").get(f"setting:{name}".encode())
    return None if value is None else value.decode()


def put(txn: Txn, name: str, value: str | None) -> None:
    """Write a setting; None removes it."""
    if value is None:
        txn.table("meta").delete(f"setting:{name}".encode())
    else:
        txn.table("meta").put(f"setting:{name}".encode(), value.encode())


def record_ties(txn: Txn, inbox: bytes, ties: Ties) -> None:
    """Write which scores count as ties in an inbox."""
    txn.table("meta").put(b"ties:" + path_key(inbox), pack(ties))


def ties(txn: Txn, inbox: bytes, head: str) -> Ties | None:
    """Return which scores count as ties in an inbox under a head; None if not computed yet."""
    value = txn.table("meta").get(b"ties:" + path_key(inbox))
    recorded = None if value is None else _ties.decode(value)
    return recorded if recorded is not None and recorded.head == head else None
