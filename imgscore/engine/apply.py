"""Set and restore file dates.

Each change has three steps: write a journal entry, set the file's date, store the result. The
journal entry and the file's original date are on disk before the file is changed. If the process
crashes after the change, the next scan finds the changed file, and no date is lost.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.failpoints import step
from imgscore.order.spacing import STEP
from imgscore.order.touch import ChangedError, Seen, TouchError, VanishedError, touch
from imgscore.reconcile import sidecars
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import journal, originals, sightings
from imgscore.store.schema import (
    EARLIEST_NS,
    LATEST_NS,
    Fingerprint,
    Original,
    Reason,
    Sighting,
    Touch,
)
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch

# The largest number of touches in one commit to the store. Each commit waits for the disk, so large
# commits are faster.
TOUCH_BATCH = 512


class HeldOriginal(NamedTuple):
    """The stored original date of a file: the date that the file had before imgscore changed it.

    `digest`: the sha256 of the file's bytes.
    """

    digest: bytes
    original: Original


class RestoreResult(NamedTuple):
    """The result of one attempt to restore a date. `error` is None if the date was restored."""

    touch: Touch
    error: TouchError | None


@dataclass
class Outcome:
    """The results of one batch of touches."""

    touched: list[Touch] = field(default_factory=list)
    changed: list[bytes] = field(default_factory=list)
    """the paths of files that were not touched, because they changed or disappeared after their
    last scan"""
    refused: list[TouchError] = field(default_factory=list)
    """the errors of files whose date cannot be set, or whose file system does not store the date
    exactly. Later orders skip these files as long as the files do not change."""


# ---- set the dates of an order


def apply_plan(
    store: Store, planned: Sequence[PlannedTouch], head: str, reason: Reason = "order"
) -> Iterator[Outcome]:
    """Set the dates of a plan, TOUCH_BATCH files at a time, and yield the outcome of each batch.

    `head`: the version of the head whose scores the plan uses. The journal entries contain it.
    """
    run = time.time_ns()
    for start in range(0, len(planned), TOUCH_BATCH):
        yield apply_batch(store, planned[start : start + TOUCH_BATCH], run, head, reason)


def apply_batch(
    store: Store, planned: Sequence[PlannedTouch], run: int, head: str, reason: Reason = "order"
) -> Outcome:
    """Set the dates of one batch of a plan and return the outcome.

    `run`: the number that all journal entries of the plan have in common.
    """
    outcome = Outcome()
    due: list[tuple[PlannedTouch, Touch]] = []
    for plan in planned:
        if EARLIEST_NS < plan.sighting.seen.mtime_ns < LATEST_NS:
            due.append((plan, _journal_entry(plan, run, head, reason)))
        else:
            outcome.refused.append(_out_of_range(plan.sighting.path))

    def prepare(txn: Txn) -> None:
        for plan, entry in due:
            _hold_original(txn, plan)
            journal.append(txn, entry)

    store.commit(prepare)
    step("after journal")
    done: list[tuple[PlannedTouch, int]] = []
    for plan, entry in due:
        seen = plan.sighting.seen
        try:
            actual = touch(
                plan.sighting.path, Seen(seen.dev, seen.ino, seen.mtime_ns), plan.after_ns
            )
        except (ChangedError, VanishedError):
            outcome.changed.append(plan.sighting.path)
        except TouchError as error:
            outcome.refused.append(error)
        else:
            outcome.touched.append(entry)
            done.append((plan, actual))
            if abs(actual - plan.after_ns) >= STEP * 10**9:
                # Exclude the file from later plans. Otherwise every plan would touch the file
                # again.
                outcome.refused.append(_does_not_hold(plan.sighting.path))
        step("between touches")
    step("after touches")

    def settle(txn: Txn) -> None:
        for plan, actual in done:
            _record_own_change(txn, plan.sighting)
            if actual == plan.after_ns:
                continue
            held = originals.get(txn, plan.sighting.digest, plan.sighting.path)
            if held is not None:
                rounded = originals.touched(held, held.path, held.before_ns, actual)
                originals.record(txn, plan.sighting.digest, rounded)

    store.commit(settle)
    return outcome


def _out_of_range(path: bytes) -> TouchError:
    return TouchError(
        path,
        "the file date is before 1677 or after 2554, so imgscore could not restore it later",
        "to include the file in the order, set another date: touch FILE",
    )


def _does_not_hold(path: bytes) -> TouchError:
    return TouchError(
        path,
        "the file system rounds dates to more than 2 seconds",
        "to include the file in the order, move it to another disk",
    )


def _journal_entry(plan: PlannedTouch, run: int, head: str, reason: Reason) -> Touch:
    file = plan.sighting
    return Touch(
        time.time_ns(),
        run,
        file.inbox,
        file.path,
        file.digest,
        file.seen.mtime_ns,
        plan.after_ns,
        head,
        reason,
    )


def _hold_original(txn: Txn, plan: PlannedTouch) -> None:
    """Store the original date of a file, if the store does not contain it yet."""
    path, digest = plan.sighting.path, plan.sighting.digest
    before_ns = plan.sighting.seen.mtime_ns
    held = originals.follow(txn, digest, path, before_ns)
    originals.record(txn, digest, originals.touched(held, path, before_ns, plan.after_ns))


def _record_own_change(txn: Txn, sighting: Sighting) -> None:
    """Record the ctime and mtime that a file has after a touch.

    Without this record, the next scan would treat the file as changed and hash it again.
    """
    known, seen = sightings.find(txn, sighting.path), fingerprint_of(sighting.path)
    if known is None or known.digest != sighting.digest or seen is None:
        return  # The file has no sighting (a sidecar never has one), or it was replaced or deleted.
    before = known.seen
    if (seen.dev, seen.ino, seen.size) == (before.dev, before.ino, before.size):
        sightings.record(txn, Sighting(known.path, seen, known.digest, known.inbox, known.role))


# ---- restore the original dates of files


def with_sidecars(
    store: Store, images: Sequence[bytes], *, dry_run: bool = False
) -> list[HeldOriginal]:
    """Return the original dates of the sidecars, such as .xmp files, of these images.

    Only sidecars whose date was set by an order are included. If `dry_run` is false, the store also
    records the present paths of these sidecars.
    """
    held = (held_of(store, path, dry_run=dry_run) for path in sidecars.sidecars_of(images))
    return [original for original in held if original is not None]


def held_of(store: Store, path: bytes, *, dry_run: bool) -> HeldOriginal | None:
    """Return the original date of a file without a sighting, such as a sidecar.

    The file's sha256 is computed to find the original date. Return None if the store contains no
    original date for the file.
    """
    seen = fingerprint_of(path)
    # If a file date has a fraction of a second, no order has set this date. There is no need to
    # read the file.
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
    return None if held is None else HeldOriginal(digest, held)


def restore_times(
    store: Store, wanted: Sequence[HeldOriginal], *, dry_run: bool = False
) -> Iterator[list[RestoreResult]]:
    """Restore the original dates of files.

    The dates are exact to the nanosecond if the file system supports this. Yield the results of
    TOUCH_BATCH files at a time. In a dry run, change nothing and yield the results that a real run
    would have. Skip a file if its present date was not set by imgscore.
    """
    run = time.time_ns()
    for start in range(0, len(wanted), TOUCH_BATCH):
        yield _restore_batch(store, wanted[start : start + TOUCH_BATCH], run, dry_run)


def _restore_batch(
    store: Store, wanted: Sequence[HeldOriginal], run: int, dry_run: bool
) -> list[RestoreResult]:
    due: list[tuple[Touch, Sighting]] = []
    settled: list[HeldOriginal] = []
    with store.read() as txn:
        for held in wanted:
            digest, original = held
            seen = fingerprint_of(original.path)
            if seen is None:
                continue
            sighting = _sighting_of(txn, original.path, seen)
            if sighting is not None and sighting.digest != digest:
                continue
            if _needs_restore(original, seen):
                inbox, role = (sighting.inbox, sighting.role) if sighting else (b"", "inbox")
                file = Sighting(original.path, seen, digest, inbox, role)
                plan = PlannedTouch(file, original.original_ns)
                due.append((_journal_entry(plan, run, "", "restore"), file))
            elif sighting is not None:
                settled.append(held)
    if dry_run:
        return [RestoreResult(entry, None) for entry, _ in due]

    def prepare(txn: Txn) -> None:
        for digest, original in settled:
            originals.forget(txn, digest, original.path)
        for entry, _ in due:
            journal.append(txn, entry)

    store.commit(prepare)
    results: list[RestoreResult] = []
    done: list[tuple[Touch, Sighting]] = []
    for entry, file in due:
        try:
            touch(
                entry.path, Seen(file.seen.dev, file.seen.ino, file.seen.mtime_ns), entry.after_ns
            )
        except TouchError as error:
            results.append(RestoreResult(entry, error))
        else:
            done.append((entry, file))
            results.append(RestoreResult(entry, None))

    def settle(txn: Txn) -> None:
        for entry, file in done:
            originals.forget(txn, entry.digest, entry.path)
            _record_own_change(txn, file)

    store.commit(settle)
    return results


def _sighting_of(txn: Txn, path: bytes, seen: Fingerprint) -> Sighting | None:
    """Return the sighting of the file at `path`.

    Return None if the store has no sighting of this path, or if another file has the path now.
    """
    sighting = sightings.find(txn, path)
    if sighting is None or (sighting.seen.dev, sighting.seen.ino) != (seen.dev, seen.ino):
        return None
    return sighting


def _needs_restore(original: Original, seen: Fingerprint) -> bool:
    """Return whether a file's present date was set by imgscore and is not the original date."""
    return seen.mtime_ns != original.original_ns and originals.is_ours(original, seen.mtime_ns)
