"""This module finds and deletes expired records: old touches, and records of missing files.

Labels, originals and embeddings never expire. A worker process finds the expired records. The
daemon deletes the records in batches.
"""

from itertools import islice
from typing import NamedTuple

from imgscore.store import journal, labels, sightings, trashed_files
from imgscore.store.schema import Sighting
from imgscore.store.transaction import Txn

MAX_TOUCHES = 1_000_000
"""The largest number of touches that the journal keeps for `undo` and `history`.

This number of touches needs 190 MB. It is enough for 10 orderings of 100,000 files.
"""
GONE_NS = 90 * 86_400 * 10**9
"""The time for which the record of a missing file is kept, in nanoseconds.

This time is long enough: a moved file reappears within seconds.
"""
MAX_AT_ONCE = 50_000
"""The largest number of records of each kind in one message to the daemon.

The limit keeps the message small. The next run finds the other expired records.
"""


class Expired(NamedTuple):
    """The expired records.

    touches: a journal number. All touches up to this number have expired.
    sightings: the paths of the expired sightings.
    trashed: the keys of the expired records of the trash.
    """

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


def find(txn: Txn, now_ns: int) -> Expired:
    """Return the records that have expired at the time `now_ns`."""
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
    """Delete at most `limit` records of each kind. Return the records that are not deleted yet.

    A record is not deleted if its file has reappeared since `find`.
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
    """Return whether a file has been missing since before `before_ns` and has no label.

    The sighting of a labelled file is kept. The file name may be part of the training data, and the
    file may reappear.
    """
    return 0 < sighting.gone_ns < before_ns and not any(
        labels.current(txn, taste, sighting.digest) for taste in tastes
    )


def _old_touches(txn: Txn) -> int:
    """Return the number of the last touch that has expired; 0 if no touch has expired.

    A run expires only as a whole, because `undo` needs all touches of a run.
    """
    number = journal.last_number(txn) - MAX_TOUCHES
    kept = journal.get(txn, number + 1)
    while kept is not None and (touch := journal.get(txn, number)) is not None:
        if touch.run != kept.run:
            return number
        number -= 1
    return 0
