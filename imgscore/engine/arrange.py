"""Bring inboxes into score order, and give dates back: plan, journal, touch, record. In that order.

Each touch, and the user's own mtime, is on disk before the file is changed; a crash between the
two is seen at the next look and costs nothing.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from imgscore.errors import ImgscoreError
from imgscore.order.entries import File, group
from imgscore.order.plan import plan
from imgscore.order.ties import knots, tie_deviation
from imgscore.order.touch import ChangedError, Seen, TouchError, VanishedError, touch
from imgscore.reconcile.walk import look_at
from imgscore.store import originals, records, sightings
from imgscore.store.schema import Original, Reason, Sighting, Ties, Touch
from imgscore.store.store import Store, Txn
from imgscore.watches import Watch

# Touches journalled by one commit: a commit waits for the disk, a touch does not.
CHUNK = 512


@dataclass(frozen=True)
class Intended:
    """One touch to be done: which file, from which date to which."""

    sighting: Sighting
    after_ns: int


@dataclass
class Outcome:
    """What became of a list of touches."""

    touched: list[Touch] = field(default_factory=list)
    look_again: list[bytes] = field(default_factory=list)
    """paths that are not as they were last seen"""
    refused: list[TouchError] = field(default_factory=list)
    """files whose date may not be set; not tried again until they change"""


def standing(txn: Txn, watch: Watch, head: str) -> tuple[list[File], dict[bytes, Sighting]]:
    """The files of an inbox as they stand, with their scores, and their sightings by path."""
    found: dict[bytes, Sighting] = {}
    files: list[File] = []
    for sighting in sightings.every(txn):
        if sighting.inbox != watch.inbox or sighting.role != "inbox":
            continue
        score = records.score(txn, watch.taste, head, sighting.digest)
        found[sighting.path] = sighting
        seen = sighting.seen
        value, deviation = score if score is not None else (None, 0.0)
        files.append(File(sighting.path, seen.mtime_ns, seen.dev, seen.ino, value, deviation))
    return files, found


def intended(store: Store, watch: Watch, head: str) -> list[Intended]:
    """The touches that would bring an inbox into order."""
    with store.read() as txn:
        files, found = standing(txn, watch, head)
        ties = records.ties(txn, watch.inbox, head)
    scores = [file.score for file in files if file.score is not None]
    if ties is None or len(scores) > 2 * ties.count:
        # Made once for a head, and anew only when the inbox has doubled: a new arrival must not
        # change what counts as a tie among the others.
        ties = Ties(head, len(scores), knots(scores))
        made = ties
        store.commit(lambda txn: records.record_ties(txn, watch.inbox, made))
    capped = [
        file
        if file.score is None
        else file._replace(deviation=tie_deviation(file.score, file.deviation, ties.knots))
        for file in files
    ]
    return [
        Intended(found[one.path], one.after_ns)
        for one in plan(group(capped), time.time_ns(), watch.order)
    ]


def arrange(
    store: Store, wanted: Sequence[Intended], head: str, reason: Reason = "order"
) -> Iterator[Outcome]:
    """Do the touches of a plan, CHUNK at a time. `head`: what they are due to, for the journal."""
    run = time.time_ns()
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        yield _do(store, part, [_journalled(one, run, head, reason) for one in part])


def _do(store: Store, wanted: Sequence[Intended], planned: Sequence[Touch]) -> Outcome:

    def prepare(txn: Txn) -> None:
        for one, entry in zip(wanted, planned, strict=True):
            _hold_original(txn, one)
            records.journal(txn, entry)

    store.commit(prepare)
    outcome = Outcome()
    now_seen: list[tuple[Intended, int]] = []
    for one, entry in zip(wanted, planned, strict=True):
        seen = one.sighting.seen
        try:
            actual = touch(one.sighting.path, Seen(seen.dev, seen.ino, seen.mtime_ns), one.after_ns)
        except (ChangedError, VanishedError):
            outcome.look_again.append(one.sighting.path)
        except TouchError as error:
            outcome.refused.append(error)
        else:
            outcome.touched.append(entry)
            now_seen.append((one, actual))

    def settle(txn: Txn) -> None:
        for one, actual in now_seen:
            _seen_again(txn, one.sighting)
            held = originals.at(txn, one.sighting.digest, one.sighting.path)
            if held is not None and actual != one.after_ns:
                rounded = Original(held.path, held.original_ns, held.before_ns, actual)
                originals.record(txn, one.sighting.digest, rounded)

    store.commit(settle)
    return outcome


def _journalled(one: Intended, run: int, head: str, reason: Reason) -> Touch:
    seen = one.sighting
    now_ns, before_ns = time.time_ns(), seen.seen.mtime_ns
    return Touch(
        now_ns, run, seen.inbox, seen.path, seen.digest, before_ns, one.after_ns, head, reason
    )


def _hold_original(txn: Txn, one: Intended) -> None:
    """Write down the user's own date of a file, unless it is held already."""
    sighting = one.sighting
    before_ns = sighting.seen.mtime_ns
    held = originals.at(txn, sighting.digest, sighting.path)
    known = held is not None and originals.belongs(held, before_ns)
    original_ns = held.original_ns if held is not None and known else before_ns
    originals.record(
        txn, sighting.digest, Original(sighting.path, original_ns, before_ns, one.after_ns)
    )


def _seen_again(txn: Txn, sighting: Sighting) -> None:
    """Our own touch changed ctime and mtime: without this, the file would be hashed again."""
    before, seen = sighting.seen, look_at(sighting.path)
    if seen is None or (seen.dev, seen.ino, seen.size) != (before.dev, before.ino, before.size):
        return
    sightings.record(
        txn, Sighting(sighting.path, seen, sighting.digest, sighting.inbox, sighting.role)
    )


def put_back(
    store: Store, wanted: Sequence[tuple[bytes, Original]], *, dry_run: bool = False
) -> Iterator[tuple[Touch, ImgscoreError | None]]:
    """Give files their own mtime back, exact to the nanosecond where the disk can hold it.

    wanted: (digest, original) pairs. Yields what was (or, in a dry run, would be) done. A file that
    carries a date that is not ours is left alone: that date is the user's.
    """
    run = time.time_ns()
    for start in range(0, len(wanted), CHUNK):
        yield from _put_back(store, wanted[start : start + CHUNK], run, dry_run)


def _put_back(
    store: Store, wanted: Sequence[tuple[bytes, Original]], run: int, dry_run: bool
) -> Iterator[tuple[Touch, ImgscoreError | None]]:
    due: list[tuple[Touch, Sighting]] = []
    settled: list[tuple[bytes, bytes]] = []
    with store.read() as txn:
        for digest, original in wanted:
            sighting = sightings.find(txn, original.path)
            seen = look_at(original.path)
            if sighting is None or seen is None or sighting.digest != digest:
                continue
            if not originals.is_ours(original, seen.mtime_ns):
                settled.append((digest, original.path))
                continue
            now = Sighting(sighting.path, seen, digest, sighting.inbox, sighting.role)
            entry = _journalled(Intended(now, original.original_ns), run, "", "restore")
            due.append((entry, now))
    if dry_run:
        yield from ((entry, None) for entry, _ in due)
        return

    def prepare(txn: Txn) -> None:
        for digest, path in settled:
            originals.forget(txn, digest, path)
        for entry, _ in due:
            records.journal(txn, entry)

    store.commit(prepare)
    results: list[tuple[Touch, ImgscoreError | None]] = []
    done: list[tuple[Touch, Sighting]] = []
    for entry, sighting in due:
        seen = sighting.seen
        try:
            touch(entry.path, Seen(seen.dev, seen.ino, seen.mtime_ns), entry.after_ns)
        except TouchError as error:
            results.append((entry, error))
        else:
            done.append((entry, sighting))
            results.append((entry, None))

    def settle(txn: Txn) -> None:
        for entry, sighting in done:
            originals.forget(txn, entry.digest, entry.path)
            _seen_again(txn, sighting)

    store.commit(settle)
    yield from results
