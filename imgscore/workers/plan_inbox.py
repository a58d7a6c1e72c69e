"""Plan the touches that bring an inbox into order.

This module reads the store and the disk, but does not write to them.

The engine itself plans small libraries. A worker plans large libraries (order_planner.py), because
the plan of a large library takes much time and memory. If an inbox is already in order, a few new
files need no new plan: `insert_files` gives each new file its place.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from imgscore.order.entries import NANOSECONDS, Entry, File, Member, group
from imgscore.order.plan import insert_entry, plan_with_timeline
from imgscore.order.ties import knots, tie_deviation
from imgscore.order.timeline import Timeline
from imgscore.reconcile import hard_links, sidecars
from imgscore.reconcile.hard_links import Inode
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import scores, settings, sightings
from imgscore.store.schema import Sighting, Ties
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.inbox_groups import (
    GroupPositions,
    best_first,
    blocks_of_inbox,
    members_of,
)
from imgscore.workers.inode_names import shared_inodes
from imgscore.workers.messages import PlannedTouch


class InboxPlan(NamedTuple):
    """The plan of an inbox.

    `ties`: the quantiles of the scores. They limit which scores count as equal (order/ties.py).
    `timeline`: the order of the inbox after the touches.
    """

    touches: list[PlannedTouch]
    ties: Ties
    store_ties: bool
    """whether the engine must store `ties`, because the quantiles were computed for this plan"""
    timeline: Timeline
    unusable: int
    """the number of files whose score is not a number"""


def load_files(txn: Txn, watch: Watch, head: str) -> tuple[list[File], dict[bytes, Sighting]]:
    """Return the files of an inbox with their scores, and a dict of their sightings.

    The key of a sighting is the path of its file.

    Files that share their date with other places are not loaded; see `shared_inodes`.
    """
    in_inbox = {s.path: s for s in sightings.in_place(txn, watch.inbox, "inbox")}
    names: dict[Inode, list[bytes]] = {}
    for sighting in in_inbox.values():
        names.setdefault((sighting.seen.dev, sighting.seen.ino), []).append(sighting.path)
    others = sightings.of_inodes(txn, names, exclude=(watch.inbox, "inbox"))
    left_out = shared_inodes(watch, names, others)
    score_of = scores.getter(txn, watch.taste, head)
    files: list[File] = []
    for path, sighting in in_inbox.items():
        seen = sighting.seen
        if (seen.dev, seen.ino) not in left_out:
            score, deviation = score_of(sighting.digest) or (None, 0.0)
            files.append(File(path, seen.mtime_ns, seen.dev, seen.ino, score, deviation))
    return files, in_inbox


def plan_inbox(store: Store, watch: Watch, head: str, exclude: Container[bytes] = ()) -> InboxPlan:
    """Plan the touches that bring an inbox into order. The files in `exclude` keep their dates."""
    with without_gc():
        return _plan_inbox(store, watch, head, exclude)


@contextmanager
def without_gc() -> Iterator[None]:
    """Disable Python's cyclic garbage collector during a plan.

    The collector took 25 % of the time of a plan. A plan creates only objects without cycles, so
    the collector would find nothing to free.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plan_inbox(store: Store, watch: Watch, head: str, exclude: Container[bytes]) -> InboxPlan:
    with store.read() as txn:
        files, sighting_of = load_files(txn, watch, head)
        ties = settings.ties(txn, watch.inbox, head)
        unscored = [sighting_of[file.path].digest for file in files if file.score is None]
        unusable = scores.unusable(txn, watch.taste, head, unscored)
    file_scores = [file.score for file in files if file.score is not None]
    # The quantiles in `ties` are computed once for each head. They are computed again only if the
    # number of scored files has doubled. If they were computed for each plan, one new file would
    # change which other files have equal scores.
    store_ties = ties is None or len(file_scores) > 2 * ties.count
    if ties is None or store_ties:
        ties = Ties(head, len(file_scores), knots(file_scores))
    capped = [
        file
        if file.score is None
        else File(*file[:5], tie_deviation(file.score, file.deviation, ties.knots))
        for file in files
        if file.path not in exclude
    ]
    if watch.siblings:
        capped += _sidecars(watch, capped, sighting_of, exclude)
    planned: list[PlannedTouch] = []
    entries = group(capped, watch.siblings)
    with store.read() as txn:
        blocks = blocks_of_inbox(txn, watch, entries, sighting_of.values())
    touches, timeline = plan_with_timeline(entries, time.time_ns(), watch.order, blocks)
    for touch in touches:
        sighting = sighting_of[touch.path]
        digest = sighting.digest or sidecars.digest_of(touch.path)
        if digest is not None:
            hashed = Sighting(touch.path, sighting.seen, digest, sighting.inbox, sighting.role)
            planned.append(PlannedTouch(hashed, touch.after_ns))
    return InboxPlan(planned, ties, store_ties, timeline, unusable)


def insert_files(
    store: Store,
    watch: Watch,
    head: str,
    timeline: Timeline,
    paths: Iterable[bytes],
    exclude: Container[bytes] = (),
    regrouped: Iterable[bytes] = (),
) -> list[PlannedTouch] | None:
    """Plan the touches that move new files to their places, and add the files to `timeline`.

    `timeline`: the timeline that `plan_inbox` returned for the head `head`. `regrouped`: files of
    the inbox whose groups have changed. They and all members of their groups are inserted again.
    Returns None if the whole inbox must be planned again. In this case, `timeline` is no longer
    valid.
    """
    planned: list[PlannedTouch] = []
    new = set(paths)
    with store.read() as txn:
        ties = settings.ties(txn, watch.inbox, head)
        if ties is None:
            return None
        again = members_of(txn, watch, regrouped) - new
        positions = GroupPositions(txn, watch, head, ties, new | again, exclude)
        files: list[Sighting] = []
        for path in best_first(txn, watch.taste, new | again):
            file = sightings.find(txn, path)
            if file is None or file.gone_ns or (file.inbox, file.role) != (watch.inbox, "inbox"):
                continue
            if _shares_date(txn, watch, file):
                return None
            if positions.interval(file.digest) is not None and path not in exclude:
                files.append(file)
        for file in files:
            if file.path in again and not timeline.remove(file.seen.mtime_ns // NANOSECONDS):
                return None
        for file in files:
            position = positions.of(file) if len(timeline) < 2 * ties.count else None
            if position is None:
                return None
            member = Member(file.path, file.seen.mtime_ns)
            entry = Entry((member,), position.score, position.deviation)
            touches = insert_entry(
                timeline,
                entry,
                time.time_ns(),
                watch.order,
                position.block,
                removed=file.path in again,
            )
            if touches is None:
                return None
            planned += [PlannedTouch(file, touch.after_ns) for touch in touches]
            positions.placed(file.path, touches[0].after_ns if touches else member.mtime_ns)
    return planned


def _shares_date(txn: Txn, watch: Watch, file: Sighting) -> bool:
    """Return whether a file shares its date with another file.

    The other file can be a hard link of the same inode. If `watch.siblings` is true, the other file
    can also be a sibling or a sidecar. Also returns True if `lstat` fails on the file.
    """
    try:
        if os.lstat(file.path).st_nlink > 1:
            return True
    except OSError:
        return True
    for other in sightings.of_digest(txn, file.digest):
        is_same_inode = (other.seen.dev, other.seen.ino) == (file.seen.dev, file.seen.ino)
        if is_same_inode and other.path != file.path and not other.gone_ns:
            return True
    return watch.siblings and sidecars.shares_date(file.path)


def _sidecars(
    watch: Watch,
    files: Sequence[File],
    sighting_of: dict[bytes, Sighting],
    exclude: Container[bytes],
) -> list[File]:
    """Return the sidecars of `files`. The sidecars of a file without a score are left out.

    Adds a sighting of each sidecar to `sighting_of`. These sightings have an empty digest.
    """
    found: list[File] = []
    names: dict[Inode, list[bytes]] = {}
    for path in sidecars.sidecars_of(file.path for file in files if file.score is not None):
        seen = fingerprint_of(path)
        if seen is not None and path not in exclude:
            sighting_of[path] = Sighting(path, seen, b"", watch.inbox, "inbox")
            found.append(File(path, seen.mtime_ns, seen.dev, seen.ino, None))
            names.setdefault((seen.dev, seen.ino), []).append(path)
    outside = hard_links.linked_outside(names)
    return [file for file in found if (file.device, file.inode) not in outside]
