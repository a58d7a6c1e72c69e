"""This module finds and deletes expired records.

Old touches expire. The records of an image expire when its files have been missing for a long time:
the sightings, and the records that can be computed again from the file (see `image_records`).
Labels and originals never expire. The image keeps all its records if it ever had a label, was ever
compared, is in the desktop's trash, or was read by `embed`. A file that cannot be reached, for
example because its disk is not mounted or its folder is no longer watched, is not missing. A worker
process finds the expired records, and the daemon deletes these records in batches.
"""

from itertools import islice
from typing import NamedTuple

from imgscore.store import (
    comparisons,
    image_records,
    journal,
    labels,
    ratings,
    sightings,
    similarity,
    trashed_files,
    unwatched_files,
    vectors,
)
from imgscore.store.transaction import Txn

MAX_TOUCHES = 1_000_000
"""The largest number of touches that the journal keeps for `undo` and `history`.

This number of touches needs 190 MB. It is enough for 10 orderings of 100,000 files.
"""
GONE_NS = 90 * 86_400 * 10**9
"""The time for which the records of a missing file are kept, in nanoseconds.

This time is more than enough to recognise a moved file, which reappears within seconds. A file that
reappears after a month, for example from a backup, need not be embedded again.
"""
MAX_AT_ONCE = 10_000
"""The largest number of records of each kind in one message to the daemon.

The limit keeps the message below 2 MB. The next task finds the other expired records.
"""
MAX_BLOCKS = 16
"""The largest number of blocks of vectors that one commit writes again. A block has at most 164 kB,
and 16 of them take about 10 ms."""


class Logs(NamedTuple):
    """The lengths of the logs that keep images. Expired records are deleted only while they last.

    labels, comparisons: the last number of the log. unwatched: the number of files that `embed` has
    read.
    """

    labels: int
    comparisons: int
    unwatched: int


class Expired(NamedTuple):
    """The expired records.

    touches: the number of the last expired touch in the journal; 0 if no touch has expired.
    sightings: the paths of the expired sightings.
    trashed: the keys of the expired records of images in the desktop's trash.
    images: the images of these sightings that keep no record, with their keys in the index for
    groups.
    logs: the state in which no log kept these images; None if there is no expired sighting.
    """

    touches: int
    sightings: list[bytes]
    trashed: list[bytes]
    images: dict[bytes, list[bytes]]
    logs: Logs | None


def find(txn: Txn, now_ns: int) -> Expired:
    """Return the records that have expired at the time `now_ns`.

    The sightings are sorted by the blocks of the vectors of their images, so that `forget` writes
    few blocks.
    """
    before_ns = now_ns - GONE_NS
    trashed = list(islice(trashed_files.gone_before(txn, before_ns), MAX_AT_ONCE))
    gone = {
        sighting.path: sighting.digest
        for sighting in sightings.iter_all(txn, gone=True)
        if 0 < sighting.gone_ns < before_ns
    }
    if not gone:
        return Expired(_old_touches(txn), [], trashed, {}, None)
    needed = {digest for taste in labels.tastes(txn) for digest, _ in labels.iter_all(txn, taste)}
    needed |= comparisons.digests(txn)
    in_trash = {
        file.digest for file in trashed_files.iter_all(txn) if not 0 < file.gone_ns < before_ns
    }
    needed |= in_trash
    found = [
        (vectors.places(txn, digest), path) for path, digest in gone.items() if digest not in needed
    ]
    paths = [path for _, path in sorted(found)[:MAX_AT_ONCE]]
    images: dict[bytes, list[bytes]] = {gone[path]: [] for path in paths}
    for digest in images.keys() & _once_used(txn):
        del images[digest]
    for digest, key in similarity.keys_of(txn, images):
        images[digest].append(key)
    return Expired(_old_touches(txn), paths, trashed, images, _logs(txn))


def forget(txn: Txn, expired: Expired, now_ns: int, limit: int) -> Expired:
    """Delete at most `limit` records of each kind. Return the records that are not deleted yet.

    `expired`: the records that `find` returned. If a file has reappeared since the call of `find`,
    the records of this file are not deleted. If any image has got a label since then, was compared,
    or was read by `embed`, no sighting is deleted. The next `find` returns the sightings again.
    """
    touches_left = journal.forget_oldest(txn, expired.touches, limit)
    left = expired.sightings if expired.logs == _logs(txn) else []
    left = left[_forget_sightings(txn, left[:limit], expired.images, now_ns - GONE_NS) :]
    for key in expired.trashed[:limit]:
        trashed_files.forget(txn, key, now_ns - GONE_NS)
    return Expired(
        expired.touches if touches_left else 0,
        left,
        expired.trashed[limit:],
        expired.images if left else {},
        expired.logs if left else None,
    )


def _forget_sightings(
    txn: Txn, paths: list[bytes], images: dict[bytes, list[bytes]], before_ns: int
) -> int:
    """Delete the first of these sightings, and the records of images without a sighting.

    Stop when MAX_BLOCKS blocks of vectors must be written. Return the number of sightings that are
    finished.
    """
    blocks: set[tuple[int, int]] = set()
    forgotten: set[bytes] = set()
    finished = 0
    for path in paths:
        if len(blocks) >= MAX_BLOCKS:
            break
        finished += 1
        sighting = sightings.find(txn, path)
        if sighting is None or not 0 < sighting.gone_ns < before_ns:
            continue
        sightings.forget(txn, sighting)
        ratings.forget(txn, path)
        if sighting.digest in images and not sightings.is_known(txn, sighting.digest):
            forgotten.add(sighting.digest)
            blocks.update(vectors.places(txn, sighting.digest))
    keys = [key for digest in forgotten for key in images[digest]]
    image_records.forget(txn, forgotten, keys)
    return finished


def _logs(txn: Txn) -> Logs:
    return Logs(
        labels.last_sequence(txn), comparisons.last_sequence(txn), unwatched_files.count(txn)
    )


def _once_used(txn: Txn) -> set[bytes]:
    """Return the images that a log names: `undo` may give them a label again, or `embed` read them.

    Such an image keeps its vector, because a label without a vector teaches nothing.
    """
    used = {event.digest for _, event in labels.newest_first(txn)}
    for _, answered in comparisons.newest_first(txn):
        used |= {answered.first, answered.second}
    return used | {file.digest for file in unwatched_files.iter_all(txn)}


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
