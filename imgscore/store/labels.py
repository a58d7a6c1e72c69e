"""The labels: a log of label events, and the current label of each digest in each taste.

imgscore only appends to the log. The last event of a digest in the log determines the current label
of that digest.
"""

from collections.abc import Callable, Iterator

import msgspec

from imgscore.grades import name_of
from imgscore.store import counts
from imgscore.store.schema import Label, LabelEvent, LabelName, event_value, pack, stored_grade
from imgscore.store.transaction import Txn

_event = msgspec.msgpack.Decoder(LabelEvent)
_label = msgspec.msgpack.Decoder(Label)


def _key(taste: str, digest: bytes) -> bytes:
    return taste.encode() + b"\0" + digest


def append(txn: Txn, event: LabelEvent) -> int:
    """Append an event to the log, and change the current label of the event's digest.

    Return the sequence number of the event. Raises ValueError if the grade is not from 0 to 1.
    """
    grade = event.grade
    event = msgspec.structs.replace(event, value=event_value(grade))
    number = txn.table("label_log").append(pack(event))
    table, key = txn.table("labels"), _key(event.taste, event.digest)
    before = current(txn, event.taste, event.digest)
    if grade is None:
        table.delete(key)
    else:
        label = Label(stored_grade(grade), number, event.time_ns, event.source, event.path)
        table.put(key, pack(label))
    counts.label_changed(txn, event.taste, before.grade if before else None, grade)
    return number


def current(txn: Txn, taste: str, digest: bytes) -> Label | None:
    """Return the current label of a digest in a taste.

    None means that the digest has no label.
    """
    value = txn.table("labels").get(_key(taste, digest))
    return None if value is None else _label.decode(value)


def grade_getter(txn: Txn, taste: str) -> Callable[[bytes], float | None]:
    """Return a function that returns the grade of a digest in one taste; None: it has no label.

    For many digests, the returned function is faster than `current`.
    """
    prefix, get = _key(taste, b""), txn.table("labels").get

    def get_grade(digest: bytes) -> float | None:
        value = get(prefix + digest)
        return None if value is None else _label.decode(value).grade

    return get_grade


def iter_all(txn: Txn, taste: str) -> Iterator[tuple[bytes, Label]]:
    """Yield (digest, label) for each digest that has a label in this taste."""
    prefix = _key(taste, b"")
    for key, value in txn.table("labels").scan_undamaged(prefix):
        yield key[len(prefix) :], _label.decode(value)


def iter_after(txn: Txn, taste: str, digest: bytes) -> Iterator[tuple[bytes, Label]]:
    """Yield the same as `iter_all`, but only for the digests that are greater than `digest`."""
    prefix = _key(taste, b"")
    for key, value in txn.table("labels").scan_undamaged(prefix, after=prefix + digest):
        yield key[len(prefix) :], _label.decode(value)


def tastes(txn: Txn) -> set[str]:
    """Return all tastes that have labels."""
    return {key.partition(b"\0")[0].decode() for key in txn.table("labels").keys()}  # noqa: SIM118


def totals(txn: Txn, taste: str) -> dict[LabelName, int]:
    """Return how many digests of a taste have the label keep, and how many have the label trash.

    Digests whose label is undecided are left out.
    """
    totals: dict[LabelName, int] = {"keep": 0, "trash": 0}
    for grade, count in counts.grades_of(txn, taste).items():
        name = name_of(grade)
        if name != "undecided":
            totals[name] += count
    return totals


def count(txn: Txn, taste: str) -> int:
    """Return how many digests of a taste have a label."""
    return sum(counts.grades_of(txn, taste).values())


def newest_first(txn: Txn, below: int | None = None) -> Iterator[tuple[int, LabelEvent]]:
    """Yield (sequence number, event) for each event of the log, newest first.

    `below`: only events with smaller numbers; None means all.
    """
    for key, value in txn.table("label_log").backwards(below):
        yield int.from_bytes(key, "big"), _event.decode(value)


def last_sequence(txn: Txn) -> int:
    """Return the sequence number of the newest event; 0 if the log is empty."""
    return txn.table("label_log").last_number()
