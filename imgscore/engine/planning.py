"""Which touches would bring an inbox into order. Reads the store and the disk, writes neither.

The engine plans small libraries itself; a worker plans large ones, which takes seconds, and memory.
"""

import gc
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from imgscore.engine import siblings
from imgscore.order.entries import File, group
from imgscore.order.plan import plan
from imgscore.order.ties import knots, tie_deviation
from imgscore.reconcile.walk import look_at
from imgscore.store import records, sightings
from imgscore.store.schema import Sighting, Ties
from imgscore.store.store import Store, Txn
from imgscore.watches import Watch
from imgscore.work.tasks import Intended


class Planned(NamedTuple):
    """The touches, and what counted as a tie; `fresh`: that is to be recorded."""

    touches: list[Intended]
    ties: Ties
    fresh: bool


def standing(txn: Txn, watch: Watch, head: str) -> tuple[list[File], dict[bytes, Sighting]]:
    """The files of an inbox as they stand, with their scores, and their sightings by path.

    An inode that has a name in a keep or trash folder, or in another inbox (the first by name
    orders it), is left out: its names share one date.
    """
    found = {one.path: one for one in sightings.in_place(txn, watch.inbox, "inbox")}
    inodes = {(one.seen.dev, one.seen.ino) for one in found.values()}
    elsewhere = {
        (one.seen.dev, one.seen.ino): one.path
        for one in sightings.of_inodes(txn, inodes, but=(watch.inbox, "inbox"))
        if one.role != "inbox" or one.inbox < watch.inbox
    }
    score_of = records.scores(txn, watch.taste, head)
    files: list[File] = []
    for path, sighting in found.items():
        seen = sighting.seen
        other = elsewhere.get((seen.dev, seen.ino))
        if other is None or not _is_file(other, seen.dev, seen.ino):
            value, deviation = score_of(sighting.digest) or (None, 0.0)
            files.append(File(path, seen.mtime_ns, seen.dev, seen.ino, value, deviation))
    return files, found


def _is_file(path: bytes, device: int, inode: int) -> bool:
    now = look_at(path)
    return now is not None and (now.dev, now.ino) == (device, inode)


def intended(store: Store, watch: Watch, head: str, leave: Container[bytes] = ()) -> Planned:
    """The touches that would bring an inbox into order; the paths in `leave` keep their dates."""
    with _uncollected():
        return _intended(store, watch, head, leave)


@contextmanager
def _uncollected() -> Iterator[None]:
    """A quarter of the time would go into looking for cycles among what has none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _intended(store: Store, watch: Watch, head: str, leave: Container[bytes]) -> Planned:
    with store.read() as txn:
        files, found = standing(txn, watch, head)
        ties = records.ties(txn, watch.inbox, head)
    scores = [file.score for file in files if file.score is not None]
    # Made once for a head, and anew only when the inbox has doubled: a new arrival must not
    # change what counts as a tie among the others.
    fresh = ties is None or len(scores) > 2 * ties.count
    if ties is None or fresh:
        ties = Ties(head, len(scores), knots(scores))
    capped = [
        file
        if file.score is None
        else File(*file[:5], tie_deviation(file.score, file.deviation, ties.knots))
        for file in files
        if file.path not in leave
    ]
    if watch.siblings:
        capped += _sidecars(watch, capped, found, leave)
    wanted: list[Intended] = []
    for one in plan(group(capped, watch.siblings), time.time_ns(), watch.order):
        sighting = found[one.path]
        digest = sighting.digest or siblings.digest_of(one.path)
        if digest is not None:
            now = Sighting(one.path, sighting.seen, digest, sighting.inbox, sighting.role)
            wanted.append(Intended(now, one.after_ns))
    return Planned(wanted, ties, fresh)


def _sidecars(
    watch: Watch, files: Sequence[File], found: dict[bytes, Sighting], leave: Container[bytes]
) -> list[File]:
    """The sidecars of scored files; `found` gets a stand-in without digest for each."""
    sidecars: list[File] = []
    for path in siblings.sidecars_of(file.path for file in files if file.score is not None):
        seen = look_at(path)
        if seen is not None and path not in leave:
            found[path] = Sighting(path, seen, b"", watch.inbox, "inbox")
            sidecars.append(File(path, seen.mtime_ns, seen.dev, seen.ino, None))
    return sidecars
