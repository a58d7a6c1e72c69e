"""Labels by digest: an append-only log of events, and the current label derived from it."""

from collections.abc import Iterator

import msgspec

from imgscore.store import counts as kept
from imgscore.store.schema import Label, LabelEvent, LabelName, pack
from imgscore.store.transaction import Txn

_event = msgspec.msgpack.Decoder(LabelEvent)
_label = msgspec.msgpack.Decoder(Label)


def _key(taste: str, digest: bytes) -> bytes:
    return taste.encode() + b"\0" + digest


def append(txn: Txn, event: LabelEvent) -> int:
    """Log an event and make it the digest's current label; returns its sequence number."""
    number = txn.table("label_log").append(pack(event))
    table, key = txn.table("labels"), _key(event.taste, event.digest)
    before = current(txn, event.taste, event.digest)
    after: LabelName | None = None
    if event.label == "clear":
        table.delete(key)
    else:
        after = event.label
        table.put(key, pack(Label(after, number, event.time_ns, event.source, event.path)))
    kept.label_changed(txn, event.taste, before.label if before else None, after)
    return number


def current(txn: Txn, taste: str, digest: bytes) -> Label | None:
    """The label of a digest now."""
    value = txn.table("labels").get(_key(taste, digest))
    return None if value is None else _label.decode(value)


def iter_all(txn: Txn, taste: str) -> Iterator[tuple[bytes, Label]]:
    """(digest, label) of each labelled digest of a taste."""
    prefix = _key(taste, b"")
    for key, value in txn.table("labels").scan(prefix):
        yield key[len(prefix) :], _label.decode(value)


def tastes(txn: Txn) -> set[str]:
    """Every taste that has labels."""
    return {key.partition(b"\0")[0].decode() for key, _ in txn.table("labels").scan()}


def counts(txn: Txn, taste: str) -> dict[LabelName, int]:
    """How many digests are labelled keep and trash."""
    names: tuple[LabelName, ...] = ("keep", "trash")
    return {name: kept.labelled(txn, taste, name) for name in names}


def log(txn: Txn) -> Iterator[tuple[int, LabelEvent]]:
    """(sequence number, event), newest first."""
    for key, value in txn.table("label_log").backwards():
        yield int.from_bytes(key, "big"), _event.decode(value)


def last_sequence(txn: Txn) -> int:
    """The number of the newest event; 0 where there is none."""
    last = txn.table("label_log").last()
    return int.from_bytes(last[0], "big") if last else 0
