"""Which touches would bring an inbox into order. Reads the store and the disk, writes neither.

The engine plans small libraries itself; a worker plans large ones, which takes seconds, and memory.
Where an inbox is in order, the places of a few newcomers are found without looking at the rest.
"""

import gc
import os
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from imgscore.order.entries import Entry, File, Member, group
from imgscore.order.plan import insert_entry, plan_with_timeline
from imgscore.order.ties import knots, tie_deviation
from imgscore.order.timeline import Timeline
from imgscore.reconcile import sidecars
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import scores, settings, sightings
from imgscore.store.schema import Sighting, Ties
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.context import Context
from imgscore.workers.messages import Plan, Planned, PlannedTouch

# Touches a message: as many as one commit journals.
MESSAGE_BATCH = 512


class InboxPlan(NamedTuple):
    """The touches, what counted as a tie (`fresh`: that is to be recorded), and the order after."""

    touches: list[PlannedTouch]
    ties: Ties
    fresh: bool
    timeline: Timeline


def answer_plan(context: Context, task: Plan) -> Iterator[Planned]:
    """Answer a Plan, in parts."""
    return plan_messages(context.store, task)


def plan_messages(store: Store, task: Plan) -> Iterator[Planned]:
    """The plan of an inbox, in parts of MESSAGE_BATCH touches."""
    planned = plan_inbox(store, task.watch, task.head, frozenset(task.exclude))
    touches, ties = planned.touches, planned.ties if planned.fresh else None
    for start in range(0, len(touches), MESSAGE_BATCH):
        yield Planned(touches[start : start + MESSAGE_BATCH], ties, last=False)
        ties = None
    yield Planned([], ties, last=True, timeline=planned.timeline.packed())


def load_files(txn: Txn, watch: Watch, head: str) -> tuple[list[File], dict[bytes, Sighting]]:
    """The files of an inbox as they stand, with their scores, and their sightings by path.

    An inode that has a name in a keep or trash folder, or in another inbox (the first by name
    orders it), is left out: its names share one date.
    """
    found = {one.path: one for one in sightings.in_place(txn, watch.inbox, "inbox")}
    inodes = {(one.seen.dev, one.seen.ino) for one in found.values()}
    elsewhere = {
        (one.seen.dev, one.seen.ino): one.path
        for one in sightings.of_inodes(txn, inodes, exclude=(watch.inbox, "inbox"))
        if one.role != "inbox" or one.inbox < watch.inbox
    }
    score_of = scores.getter(txn, watch.taste, head)
    files: list[File] = []
    for path, sighting in found.items():
        seen = sighting.seen
        other = elsewhere.get((seen.dev, seen.ino))
        if other is None or not _is_file(other, seen.dev, seen.ino):
            value, deviation = score_of(sighting.digest) or (None, 0.0)
            files.append(File(path, seen.mtime_ns, seen.dev, seen.ino, value, deviation))
    return files, found


def _is_file(path: bytes, device: int, inode: int) -> bool:
    now = fingerprint_of(path)
    return now is not None and (now.dev, now.ino) == (device, inode)


def plan_inbox(store: Store, watch: Watch, head: str, exclude: Container[bytes] = ()) -> InboxPlan:
    """The touches that would bring an inbox into order; the paths in `leave` keep their dates."""
    with _uncollected():
        return _plan_inbox(store, watch, head, exclude)


@contextmanager
def _uncollected() -> Iterator[None]:
    """A quarter of the time would go into looking for cycles among what has none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plan_inbox(store: Store, watch: Watch, head: str, exclude: Container[bytes]) -> InboxPlan:
    with store.read() as txn:
        files, found = load_files(txn, watch, head)
        ties = settings.ties(txn, watch.inbox, head)
    known = [file.score for file in files if file.score is not None]
    # Made once for a head, and anew only when the inbox has doubled: a new arrival must not
    # change what counts as a tie among the others.
    fresh = ties is None or len(known) > 2 * ties.count
    if ties is None or fresh:
        ties = Ties(head, len(known), knots(known))
    capped = [
        file
        if file.score is None
        else File(*file[:5], tie_deviation(file.score, file.deviation, ties.knots))
        for file in files
        if file.path not in exclude
    ]
    if watch.siblings:
        capped += _sidecars(watch, capped, found, exclude)
    wanted: list[PlannedTouch] = []
    entries = group(capped, watch.siblings)
    touches, timeline = plan_with_timeline(entries, time.time_ns(), watch.order)
    for one in touches:
        sighting = found[one.path]
        digest = sighting.digest or sidecars.digest_of(one.path)
        if digest is not None:
            now = Sighting(one.path, sighting.seen, digest, sighting.inbox, sighting.role)
            wanted.append(PlannedTouch(now, one.after_ns))
    return InboxPlan(wanted, ties, fresh, timeline)


def insert_files(
    store: Store,
    watch: Watch,
    head: str,
    timeline: Timeline,
    paths: Iterable[bytes],
    exclude: Container[bytes] = (),
) -> list[PlannedTouch] | None:
    """The touches that bring files which came into the places that are theirs.

    `lineup`, that of `intended` under the same head, has them from then on. None: only `intended`
    can tell, and `lineup` is of no use any more.
    """
    wanted: list[PlannedTouch] = []
    with store.read() as txn:
        ties = settings.ties(txn, watch.inbox, head)
        for path in paths:
            one = sightings.find(txn, path)
            if one is None or one.gone_ns or (one.inbox, one.role) != (watch.inbox, "inbox"):
                continue
            scored = scores.get(txn, watch.taste, head, one.digest)
            if ties is None or len(timeline) >= 2 * ties.count or not _is_alone(txn, watch, one):
                return None
            if scored is None or path in exclude:
                continue
            score, noise = scored
            member = Member(path, one.seen.mtime_ns)
            entry = Entry((member,), score, tie_deviation(score, noise, ties.knots))
            touches = insert_entry(timeline, entry, time.time_ns(), watch.order)
            if touches is None:
                return None
            wanted += [PlannedTouch(one, touch.after_ns) for touch in touches]
    return wanted


def _is_alone(txn: Txn, watch: Watch, one: Sighting) -> bool:
    """Whether a file shares its date with no other: neither an inode nor, if siblings, a name."""
    try:
        if os.lstat(one.path).st_nlink > 1:
            return False
    except OSError:
        return False
    for other in sightings.of_digest(txn, one.digest):
        same = (other.seen.dev, other.seen.ino) == (one.seen.dev, one.seen.ino)
        if same and other.path != one.path and not other.gone_ns:
            return False
    return not (watch.siblings and sidecars.shares_date(one.path))


def _sidecars(
    watch: Watch, files: Sequence[File], found: dict[bytes, Sighting], exclude: Container[bytes]
) -> list[File]:
    """The sidecars of scored files; `found` gets a stand-in without digest for each."""
    files_beside: list[File] = []
    for path in sidecars.sidecars_of(file.path for file in files if file.score is not None):
        seen = fingerprint_of(path)
        if seen is not None and path not in exclude:
            found[path] = Sighting(path, seen, b"", watch.inbox, "inbox")
            files_beside.append(File(path, seen.mtime_ns, seen.dev, seen.ino, None))
    return files_beside
