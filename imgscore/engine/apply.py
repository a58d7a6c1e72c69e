"""Change dates, and give them back: journal, touch, record. In that order.

Each touch, and the user's own mtime, is on disk before the file is changed; a crash between the
two is seen at the next look and costs nothing.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from imgscore.failpoints import step
from imgscore.order.spacing import STEP
from imgscore.order.touch import ChangedError, Seen, TouchError, VanishedError, touch
from imgscore.reconcile import sidecars
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import journal, originals, sightings
from imgscore.store.schema import EARLIEST_NS, LATEST_NS, Original, Reason, Sighting, Touch
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch

# Touches journalled by one commit: a commit waits for the disk, a touch does not.
TOUCH_BATCH = 512

RestoreResult = tuple[Touch, TouchError | None]
"""A date given back, or why it was not."""


@dataclass
class Outcome:
    """What became of a list of touches."""

    touched: list[Touch] = field(default_factory=list)
    look_again: list[bytes] = field(default_factory=list)
    """paths that are not as they were last seen"""
    refused: list[TouchError] = field(default_factory=list)
    """files whose date may not be set, or does not hold; not tried again until they change"""


def apply_plan(
    store: Store, wanted: Sequence[PlannedTouch], head: str, reason: Reason = "order"
) -> Iterator[Outcome]:
    """Do the touches of a plan, CHUNK at a time. `head`: what they are due to, for the journal."""
    run = time.time_ns()
    for start in range(0, len(wanted), TOUCH_BATCH):
        yield apply_batch(store, wanted[start : start + TOUCH_BATCH], run, head, reason)


def apply_batch(
    store: Store, wanted: Sequence[PlannedTouch], run: int, head: str, reason: Reason = "order"
) -> Outcome:
    """Do one part of a plan; `run` is what all of its parts have in common in the journal."""
    outcome = Outcome()
    planned: list[tuple[PlannedTouch, Touch]] = []
    for one in wanted:
        if EARLIEST_NS < one.sighting.seen.mtime_ns < LATEST_NS:
            planned.append((one, _journalled(one, run, head, reason)))
        else:
            outcome.refused.append(_cannot_be_held(one.sighting.path))

    def prepare(txn: Txn) -> None:
        for one, entry in planned:
            _hold_original(txn, one)
            journal.append(txn, entry)

    store.commit(prepare)
    step("after journal")
    now_seen: list[tuple[PlannedTouch, int]] = []
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
            held = originals.get(txn, one.sighting.digest, one.sighting.path)
            if held is not None and actual != one.after_ns:
                rounded = originals.touched(held, held.path, held.before_ns, actual)
                originals.record(txn, one.sighting.digest, rounded)

    store.commit(settle)
    return outcome


def _cannot_be_held(path: bytes) -> TouchError:
    return TouchError(
        path,
        "its own date lies before 1677 or after 2554, and could not be put back",
        "give it another to have it in order, as with: touch FILE",
    )


def _does_not_hold(path: bytes) -> TouchError:
    return TouchError(
        path,
        "its file system does not keep dates to 2 seconds",
        "move it to another disk to have it in order",
    )


def _journalled(one: PlannedTouch, run: int, head: str, reason: Reason) -> Touch:
    seen = one.sighting
    now_ns, before_ns = time.time_ns(), seen.seen.mtime_ns
    return Touch(
        now_ns, run, seen.inbox, seen.path, seen.digest, before_ns, one.after_ns, head, reason
    )


def _hold_original(txn: Txn, one: PlannedTouch) -> None:
    """Write down the user's own date of a file, unless it is held already."""
    path, digest, before_ns = one.sighting.path, one.sighting.digest, one.sighting.seen.mtime_ns
    held = originals.follow(txn, digest, path, before_ns)
    originals.record(txn, digest, originals.touched(held, path, before_ns, one.after_ns))


def _seen_again(txn: Txn, sighting: Sighting) -> None:
    """Our own touch changed ctime and mtime: without this, the file would be hashed again."""
    known, seen = sightings.find(txn, sighting.path), fingerprint_of(sighting.path)
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
    for path in sidecars.sidecars_of(images):
        held = held_of(store, path, dry_run=dry_run)
        if held is not None:
            found.append(held)
    return found


def held_of(store: Store, path: bytes, *, dry_run: bool) -> tuple[bytes, Original] | None:
    """(digest, original) of a file without a sighting, known by its bytes; None: its own date."""
    seen = fingerprint_of(path)
    # All dates of ours are whole seconds: most other files need not be read.
    if seen is None or seen.mtime_ns % 10**9:
        return None
    digest = sidecars.digest_of(path)
    if digest is None:
        return None
    if dry_run:
        with store.read() as txn:
            held = originals.find(txn, digest, path, seen.mtime_ns)
    else:
        held = store.commit(lambda txn: originals.follow(txn, digest, path, seen.mtime_ns))
    return None if held is None else (digest, held)


def restore_times(
    store: Store, wanted: Sequence[tuple[bytes, Original]], *, dry_run: bool = False
) -> Iterator[list[RestoreResult]]:
    """Give files their own mtime back, exact to the nanosecond where the disk can hold it.

    wanted: (digest, original) pairs. Yields what was (or, in a dry run, would be) done, CHUNK files
    at a time. A file that carries a date that is not ours is left alone: that date is the user's.
    """
    run = time.time_ns()
    for start in range(0, len(wanted), TOUCH_BATCH):
        yield _restore_times(store, wanted[start : start + TOUCH_BATCH], run, dry_run)


def _restore_times(
    store: Store, wanted: Sequence[tuple[bytes, Original]], run: int, dry_run: bool
) -> list[RestoreResult]:
    due: list[tuple[Touch, Sighting]] = []
    settled: list[tuple[bytes, bytes]] = []
    with store.read() as txn:
        for digest, original in wanted:
            seen, sighting = fingerprint_of(original.path), sightings.find(txn, original.path)
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
            entry = _journalled(PlannedTouch(now, original.original_ns), run, "", "restore")
            due.append((entry, now))
    if dry_run:
        return [(entry, None) for entry, _ in due]

    def prepare(txn: Txn) -> None:
        for digest, path in settled:
            originals.forget(txn, digest, path)
        for entry, _ in due:
            journal.append(txn, entry)

    store.commit(prepare)
    results: list[RestoreResult] = []
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
    return results
