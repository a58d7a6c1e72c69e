"""The records of trained heads, by taste and version.

This module also stores which head is the current head of each taste. The current head computes the
scores of the taste.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import HeadRecord, pack
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(HeadRecord)


def record(txn: Txn, head: HeadRecord) -> None:
    """Write the record of a head. An accepted head becomes the current head of its taste."""
    txn.table("heads").put(f"{head.taste}\0{head.version}".encode(), pack(head))
    if head.accepted:
        use(txn, head.taste, head.version)


def use(txn: Txn, taste: str, version: str) -> None:
    """Make a head the current head of a taste.

    For each embedder, the store also records which head of the taste was current when the embedder
    was last in use. If the user changes the embedder in the config and later changes it back, the
    recorded head can become current again.
    """
    value = txn.table("heads").get(f"{taste}\0{version}".encode())
    txn.table("meta").put(f"head:{taste}".encode(), version.encode())
    if value is not None:
        embedder = _decoder.decode(value).embedder
        txn.table("meta").put(f"head:{taste}\0{embedder}".encode(), version.encode())


def current(txn: Txn, taste: str) -> HeadRecord | None:
    """Return the current head of a taste. None means that the taste has no current head."""
    return _named(txn, taste, f"head:{taste}")


def last_under(txn: Txn, taste: str, embedder: str) -> HeadRecord | None:
    """Return the head of a taste that was current when this embedder was last in use.

    None means that there is no such head.
    """
    return _named(txn, taste, f"head:{taste}\0{embedder}")


def _named(txn: Txn, taste: str, setting: str) -> HeadRecord | None:
    version = txn.table("meta").get(setting.encode())
    if version is None:
        return None
    value = txn.table("heads").get(f"{taste}\0".encode() + version)
    return None if value is None else _decoder.decode(value)


def in_use(txn: Txn, taste: str) -> set[str]:
    """Return the versions of all heads of a taste that are in use.

    These heads are the current head and, for each embedder, the head that was current when the
    embedder was last in use. The user may use an earlier embedder again later.
    """
    name = f"head:{taste}".encode()
    return {
        version.decode()
        for key, version in txn.table("meta").scan(name)
        if key == name or key.startswith(name + b"\0")
    }


def of_taste(txn: Txn, taste: str) -> list[HeadRecord]:
    """Return all heads of a taste, oldest first."""
    prefix = f"{taste}\0".encode()
    heads = [_decoder.decode(value) for _, value in txn.table("heads").scan(prefix)]
    return sorted(heads, key=lambda head: head.created_ns)


def iter_all(txn: Txn) -> Iterator[HeadRecord]:
    """Yield all heads of all tastes."""
    for _, value in txn.table("heads").scan():
        yield _decoder.decode(value)
