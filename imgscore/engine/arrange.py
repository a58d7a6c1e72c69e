"""Bring inboxes into score order, and give dates back: plan, journal, touch, record. In that order.

Each touch, and the user's own mtime, is on disk before the file is changed; a crash between the
two is seen at the next look and costs nothing.
"""

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from imgscore.engine import siblings
from imgscore.order.entries import File, group
from imgscore.order.plan import plan
from imgscore.order.spacing import STEP
from imgscore.order.ties import knots, tie_deviation
from imgscore.order.touch import ChangedError, Seen, TouchError, VanishedError, touch
from imgscore.reconcile.walk import look_at
from imgscore.steps import step
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
    """files whose date may not be set, or does not hold; not tried again until they change"""


def standing(txn: Txn, watch: Watch, head: str) -> tuple[list[File], dict[bytes, Sighting]]:
    """The files of an inbox as they stand, with their scores, and their sightings by path.

    An inode that has a name in a keep or trash folder, or in another inbox (the first by name
    orders it), is left out: its names share one date.
    """
    found: dict[bytes, Sighting] = {}
    elsewhere: dict[tuple[int, int], bytes] = {}
    for sighting in sightings.every(txn):
        if sighting.role != "inbox" or sighting.inbox < watch.inbox:
            elsewhere[sighting.seen.dev, sighting.seen.ino] = sighting.path
        elif sighting.inbox == watch.inbox:
            found[sighting.path] = sighting
    files: list[File] = []
    for path, sighting in found.items():
        seen = sighting.seen
        other = elsewhere.get((seen.dev, seen.ino))
        if other is None or not _is_file(other, seen.dev, seen.ino):
            score = records.score(txn, watch.taste, head, sighting.digest)
            value, deviation = score if score is not None else (None, 0.0)
            files.append(File(path, seen.mtime_ns, seen.dev, seen.ino, value, deviation))
    return files, found


def _is_file(path: bytes, device: int, inode: int) -> bool:
    now = look_at(path)
    return now is not None and (now.dev, now.ino) == (device, inode)


def intended(store: Store, watch: Watch, head: str, leave: Container[bytes] = ()) -> list[Intended]:
    """The touches that would bring an inbox into order; the paths in `leave` keep their dates."""
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
    return wanted


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


def arrange(
    store: Store, wanted: Sequence[Intended], head: str, reason: Reason = "order"
) -> Iterator[Outcome]:
    """Do the touches of a plan, CHUNK at a time. `head`: what they are due to, for the journal."""
    run = time.time_ns()
    for start in range(0, len(wanted), CHUNK):
        yield _do(store, wanted[start : start + CHUNK], run, head, reason)


def _do(store: Store, wanted: Sequence[Intended], run: int, head: str, reason: Reason) -> Outcome:
    planned = [(one, _journalled(one, run, head, reason)) for one in wanted]

    def prepare(txn: Txn) -> None:
        for one, entry in planned:
            _hold_original(txn, one)
            records.journal(txn, entry)

    store.commit(prepare)
    step("after journal")
    outcome = Outcome()
    now_seen: list[tuple[Intended, int]] = []
    for one, entry in planned:
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
            if abs(actual - one.after_ns) >= STEP * 10**9:
                # Planned again, it would be wrong again, for ever.
                outcome.refused.append(_does_not_hold(one.sighting.path))
        step("between touches")
    step("after touches")

    def settle(txn: Txn) -> None:
        for one, actual in now_seen:
            _seen_again(txn, one.sighting)
            held = originals.at(txn, one.sighting.digest, one.sighting.path)
            if held is not None and actual != one.after_ns:
                rounded = originals.touched(held, held.path, held.before_ns, actual)
                originals.record(txn, one.sighting.digest, rounded)

    store.commit(settle)
    return outcome


def _does_not_hold(path: bytes) -> TouchError:
    return TouchError(
        path,
        "its file system does not keep dates to 2 seconds",
        "move it to another disk to have it in order",
    )


def _journalled(one: Intended, run: int, head: str, reason: Reason) -> Touch:
    seen = one.sighting
    now_ns, before_ns = time.time_ns(), seen.seen.mtime_ns
    return Touch(
        now_ns, run, seen.inbox, seen.path, seen.digest, before_ns, one.after_ns, head, reason
    )


def _hold_original(txn: Txn, one: Intended) -> None:
    """Write down the user's own date of a file, unless it is held already."""
    path, digest, before_ns = one.sighting.path, one.sighting.digest, one.sighting.seen.mtime_ns
    held = originals.follow(txn, digest, path, before_ns)
    originals.record(txn, digest, originals.touched(held, path, before_ns, one.after_ns))


def _seen_again(txn: Txn, sighting: Sighting) -> None:
    """Our own touch changed ctime and mtime: without this, the file would be hashed again."""
    known, seen = sightings.find(txn, sighting.path), look_at(sighting.path)
    if known is None or known.digest != sighting.digest or seen is None:
        return  # a sidecar, one that nobody has seen there yet, or gone
    before = known.seen
    if (seen.dev, seen.ino, seen.size) == (before.dev, before.ino, before.size):
        sightings.record(txn, Sighting(known.path, seen, known.digest, known.inbox, known.role))


def with_sidecars(
    store: Store, images: Sequence[bytes], *, dry_run: bool = False
) -> list[tuple[bytes, Original]]:
    """(digest, original) of the sidecars beside these images that carry a date of ours.

    The originals follow the sidecars to where they are now, but in a dry run.
    """
    found: list[tuple[bytes, Original]] = []
    for path in siblings.sidecars_of(images):
        held = held_of(store, path, dry_run=dry_run)
        if held is not None:
            found.append(held)
    return found


def held_of(store: Store, path: bytes, *, dry_run: bool) -> tuple[bytes, Original] | None:
    """(digest, original) of a file without a sighting, known by its bytes; None: its own date."""
    seen = look_at(path)
    # All dates of ours are whole seconds: most other files need not be read.
    if seen is None or seen.mtime_ns % 10**9:
        return None
    digest = siblings.digest_of(path)
    if digest is None:
        return None
    if dry_run:
        with store.read() as txn:
            held = originals.find(txn, digest, path, seen.mtime_ns)
    else:
        held = store.commit(lambda txn: originals.follow(txn, digest, path, seen.mtime_ns))
    return None if held is None else (digest, held)


def put_back(
    store: Store, wanted: Sequence[tuple[bytes, Original]], *, dry_run: bool = False
) -> Iterator[tuple[Touch, TouchError | None]]:
    """Give files their own mtime back, exact to the nanosecond where the disk can hold it.

    wanted: (digest, original) pairs. Yields what was (or, in a dry run, would be) done. A file that
    carries a date that is not ours is left alone: that date is the user's.
    """
    run = time.time_ns()
    for start in range(0, len(wanted), CHUNK):
        yield from _put_back(store, wanted[start : start + CHUNK], run, dry_run)


def _put_back(
    store: Store, wanted: Sequence[tuple[bytes, Original]], run: int, dry_run: bool
) -> Iterator[tuple[Touch, TouchError | None]]:
    due: list[tuple[Touch, Sighting]] = []
    settled: list[tuple[bytes, bytes]] = []
    with store.read() as txn:
        for digest, original in wanted:
            seen, sighting = look_at(original.path), sightings.find(txn, original.path)
            if seen is None:
                continue
            if sighting is not None and (sighting.seen.dev, sighting.seen.ino) != (
                seen.dev,
                seen.ino,
            ):
                sighting = None  # another file took the name: only its date says what it is
            if sighting is not None and sighting.digest != digest:
                continue
            if seen.mtime_ns == original.original_ns or not originals.is_ours(
                original, seen.mtime_ns
            ):
                if sighting is not None:
                    settled.append((digest, original.path))
                continue
            inbox, role = (sighting.inbox, sighting.role) if sighting else (b"", "inbox")
            now = Sighting(original.path, seen, digest, inbox, role)
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
    results: list[tuple[Touch, TouchError | None]] = []
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
