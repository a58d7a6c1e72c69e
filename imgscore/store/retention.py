"""Retention: which touches of the journal, and which records of missing files, have expired.

Labels, originals and embeddings never expire. A worker finds the expired records; the daemon
deletes them in batches.
"""

from itertools import islice
from typing import NamedTuple

from imgscore.store import journal, labels, sightings, trashed_files
from imgscore.store.schema import Sighting
from imgscore.store.transaction import Txn

MAX_TOUCHES = 1_000_000
"""Touches in the journal, for `undo` and `history`: 190 MB, or 10 orderings of 100,000 files."""
GONE_NS = 90 * 86_400 * 10**9
"""Nanoseconds that the record of a missing file is kept. A moved file reappears within seconds."""
MAX_AT_ONCE = 50_000
"""Records in one message to the daemon, so that it stays small. The next run finds the others."""


class Expired(NamedTuple):
    """touches: all up to this journal number. sightings: their paths. trashed: their keys."""

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


def find(txn: Txn, now_ns: int) -> Expired:
    """Return the records that have expired."""
    before_ns = now_ns - GONE_NS
    tastes = labels.tastes(txn)
    gone = (
        sighting.path
        for sighting in sightings.iter_all(txn, gone=True)
        if _is_expired(txn, sighting, before_ns, tastes)
    )
    return Expired(
        _old_touches(txn),
        list(islice(gone, MAX_AT_ONCE)),
        list(islice(trashed_files.gone_before(txn, before_ns), MAX_AT_ONCE)),
    )


def forget(txn: Txn, expired: Expired, now_ns: int, limit: int) -> Expired:
    """Delete at most `limit` records of each kind; return the rest.

    A file that has reappeared since `find` keeps its record.
    """
    touches_left = journal.forget_oldest(txn, expired.touches, limit)
    tastes = labels.tastes(txn) if expired.sightings else set[str]()
    for path in expired.sightings[:limit]:
        sighting = sightings.find(txn, path)
        if sighting is not None and _is_expired(txn, sighting, now_ns - GONE_NS, tastes):
            sightings.forget(txn, sighting)
    for key in expired.trashed[:limit]:
        trashed_files.forget(txn, key, now_ns - GONE_NS)
    return Expired(
        expired.touches if touches_left else 0, expired.sightings[limit:], expired.trashed[limit:]
    )


def _is_expired(txn: Txn, sighting: Sighting, before_ns: int, tastes: set[str]) -> bool:
    """Whether the file has been missing for long, and has no label.

    A labelled file keeps its sighting: its name may be part of the example, and it may return.
    """
    return 0 < sighting.gone_ns < before_ns and not any(
        labels.current(txn, taste, sighting.digest) for taste in tastes
    )


def _old_touches(txn: Txn) -> int:
    """Return the last touch beyond MAX_TOUCHES; a run expires as a whole, as `undo` needs it."""
    number = journal.last_number(txn) - MAX_TOUCHES
    kept = journal.get(txn, number + 1)
    while kept is not None and (touch := journal.get(txn, number)) is not None:
        if touch.run != kept.run:
            return number
        number -= 1
    return 0
