"""This module finds and deletes expired records.

Old touches expire. The records of files that have been missing for a long time also expire. Labels,
originals and embeddings never expire. A worker process finds the expired records, and the daemon
deletes these records in batches.
"""

from itertools import islice
from typing import NamedTuple

from imgscore.store import comparisons, journal, labels, ratings, sightings, trashed_files
from imgscore.store.schema import Sighting
from imgscore.store.transaction import Txn

MAX_TOUCHES = 1_000_000
"""The largest number of touches that the journal keeps for `undo` and `history`.

This number of touches needs 190 MB. It is enough for 10 orderings of 100,000 files.
"""
GONE_NS = 90 * 86_400 * 10**9
"""The time for which the record of a missing file is kept, in nanoseconds.

This time is more than enough to recognise a moved file, which reappears within seconds.
"""
MAX_AT_ONCE = 50_000
"""The largest number of records of each kind in one message to the daemon.

The limit keeps the message small. The next run finds the other expired records.
"""


class Expired(NamedTuple):
    """The expired records.

    touches: the number of the last expired touch in the journal; 0 if no touch has expired.
    sightings: the paths of the expired sightings.
    trashed: the keys of the expired records of images in the desktop's trash.
    """

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]


def find(txn: Txn, now_ns: int) -> Expired:
    """Return the records that have expired at the time `now_ns`."""
    before_ns = now_ns - GONE_NS
    tastes, compared = labels.tastes(txn), comparisons.digests(txn)
    gone = (
        sighting.path
        for sighting in sightings.iter_all(txn, gone=True)
        if _is_expired(txn, sighting, before_ns, tastes, compared)
    )
    return Expired(
        _old_touches(txn),
        list(islice(gone, MAX_AT_ONCE)),
        list(islice(trashed_files.gone_before(txn, before_ns), MAX_AT_ONCE)),
    )


def forget(txn: Txn, expired: Expired, now_ns: int, limit: int) -> Expired:
    """Delete at most `limit` records of each kind. Return the records that are not deleted yet.

    `expired`: the records that `find` returned. If a file has reappeared since the call of `find`,
    the record of this file is not deleted.
    """
    touches_left = journal.forget_oldest(txn, expired.touches, limit)
    tastes = labels.tastes(txn) if expired.sightings else set[str]()
    compared = comparisons.digests(txn) if expired.sightings else set[bytes]()
    for path in expired.sightings[:limit]:
        sighting = sightings.find(txn, path)
        if sighting is not None and _is_expired(txn, sighting, now_ns - GONE_NS, tastes, compared):
            sightings.forget(txn, sighting)
            ratings.forget(txn, sighting.path)
    for key in expired.trashed[:limit]:
        trashed_files.forget(txn, key, now_ns - GONE_NS)
    return Expired(
        expired.touches if touches_left else 0, expired.sightings[limit:], expired.trashed[limit:]
    )


def _is_expired(
    txn: Txn, sighting: Sighting, before_ns: int, tastes: set[str], compared: set[bytes]
) -> bool:
    """Return whether the sighting of a file has expired.

    A sighting expires if its file has been missing since before `before_ns`, has no label and was
    never compared. The sighting of a labelled file is kept, because its file name may be part of
    the training data. The labelled file may also reappear. The same is true of a compared file.

    `compared`: the digests of all compared images.
    """
    return (
        0 < sighting.gone_ns < before_ns
        and sighting.digest not in compared
        and not any(labels.current(txn, taste, sighting.digest) for taste in tastes)
    )


def _old_touches(txn: Txn) -> int:
    """Return the number of the last touch that has expired; 0 if no touch has expired.

    `Touch.run` identifies the run that a touch belongs to. All touches of a run expire together,
    because `undo` needs all of them.
    """
    number = journal.last_number(txn) - MAX_TOUCHES
    kept = journal.get(txn, number + 1)
    while kept is not None and (touch := journal.get(txn, number)) is not None:
        if touch.run != kept.run:
            return number
        number -= 1
    return 0
