"""The comparisons: a log of answers to "which of these two images?", and the answer of each pair.

imgscore only appends to the log. The last event of a pair in the log determines the answer of this
pair in a taste. The order of the two images of a pair does not matter.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from imgscore.errors import UsageError
from imgscore.store import counts
from imgscore.store.schema import DIGEST_SIZE, Source, pack
from imgscore.store.transaction import Txn

Answer = Literal["first", "second", "same", "skip"]
"""An answer: the first image is better, the second image is better, both are equally good, or the
person skipped the pair. A head learns nothing from a skipped pair."""
AnswerEvent = Literal["first", "second", "same", "skip", "clear"]


class ComparisonEvent(msgspec.Struct, array_like=True, frozen=True):
    """One event in the log of comparisons. imgscore only appends to this log.

    `first`, `second`: the digests of the two images. `answer`: "clear" withdraws the answer of the
    pair.
    """

    time_ns: int
    taste: str
    first: bytes
    second: bytes
    answer: AnswerEvent
    source: Source


class Comparison(msgspec.Struct, array_like=True, frozen=True):
    """The answer of a pair in a taste.

    The last event of the pair in the log determines the answer. `sequence`: the sequence number of
    this event.
    """

    first: bytes
    second: bytes
    answer: Answer
    sequence: int
    time_ns: int
    source: Source

    @property
    def teaches(self) -> bool:
        """Return whether a head can learn from the answer."""
        return self.answer != "skip"


_event = msgspec.msgpack.Decoder(ComparisonEvent)
_comparison = msgspec.msgpack.Decoder(Comparison)


def _key(taste: str, first: bytes, second: bytes) -> bytes:
    return taste.encode() + b"\0" + min(first, second) + max(first, second)


def append(txn: Txn, event: ComparisonEvent) -> int:
    """Append an event to the log, and change the answer of the event's pair.

    Return the sequence number of the event. Raises UsageError if the pair is no pair of digests of
    two images.
    """
    if {len(event.first), len(event.second)} != {DIGEST_SIZE} or event.first == event.second:
        raise UsageError(
            "the two files contain the same image", "compare two files with different contents"
        )
    before = current(txn, event.taste, event.first, event.second)
    number = txn.table("comparison_log").append(pack(event))
    table, key = txn.table("comparisons"), _key(event.taste, event.first, event.second)
    after: Comparison | None = None
    if event.answer == "clear":
        table.delete(key)
    else:
        after = Comparison(
            event.first, event.second, event.answer, number, event.time_ns, event.source
        )
        table.put(key, pack(after))
    counts.comparison_changed(
        txn,
        event.taste,
        bool(after is not None and after.teaches) - bool(before is not None and before.teaches),
    )
    return number


def current(txn: Txn, taste: str, first: bytes, second: bytes) -> Comparison | None:
    """Return the answer of a pair in a taste. None means that the pair has no answer."""
    value = txn.table("comparisons").get(_key(taste, first, second))
    return None if value is None else _comparison.decode(value)


def iter_all(txn: Txn, taste: str) -> Iterator[Comparison]:
    """Yield the answer of each pair that has one in this taste, skipped pairs included."""
    for _, value in txn.table("comparisons").scan_undamaged(taste.encode() + b"\0"):
        yield _comparison.decode(value)


def count(txn: Txn, taste: str) -> int:
    """Return the number of pairs of a taste whose answer a head can learn from."""
    return counts.compared(txn, taste)


def tastes(txn: Txn) -> set[str]:
    """Return all tastes that have answers."""
    return {key.partition(b"\0")[0].decode() for key in txn.table("comparisons").keys()}  # noqa: SIM118


def digests(txn: Txn) -> set[bytes]:
    """Return the digests of all images that belong to a pair with an answer, in any taste."""
    found: set[bytes] = set()
    for key in txn.table("comparisons").keys():  # noqa: SIM118
        found |= {key[-2 * DIGEST_SIZE : -DIGEST_SIZE], key[-DIGEST_SIZE:]}
    return found


def newest_first(txn: Txn, below: int | None = None) -> Iterator[tuple[int, ComparisonEvent]]:
    """Yield (sequence number, event) for each event of the log, newest first.

    `below`: only events with smaller numbers; None means all.
    """
    for key, value in txn.table("comparison_log").backwards(below):
        yield int.from_bytes(key, "big"), _event.decode(value)


def last_sequence(txn: Txn) -> int:
    """Return the sequence number of the newest event; 0 if the log is empty."""
    return txn.table("comparison_log").last_number()
