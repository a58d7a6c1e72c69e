"""Set and restore file dates.

Each change has three steps: write a journal entry, set the file's date, store the result. The
journal entry and the file's original date are on disk before the file is changed. If the process
crashes after the change, the next scan finds the changed file, and no date is lost.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import structs

from imgscore.engine.touch_batch import DueTouch, defer_writes, record_batch
from imgscore.failpoints import step
from imgscore.order.spacing import STEP
from imgscore.order.touch import (
    ChangedError,
    Seen,
    Touched,
    TouchError,
    VanishedError,
    touch,
)
from imgscore.reconcile import identity, sidecars
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import journal, originals, ratings, sightings
from imgscore.store.checksums import REMEDY
from imgscore.store.flush import Flush
from imgscore.store.schema import (
    EARLIEST_NS,
    LATEST_NS,
    FileAt,
    Fingerprint,
    Original,
    Reason,
    Sighting,
    Touch,
)
from imgscore.store.shifts import Shifts
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch

# The largest number of touches in one commit to the store. Each commit waits for the disk, so large
# commits are faster. This number of touches takes about 40 ms, with the commit.
TOUCH_BATCH = 1_024
# The smallest number of touches of an order whose other writes are deferred.
MIN_DEFERRED_TOUCHES = 128
# The largest number of dates that are restored with one commit before them and one after them.
RESTORE_BATCH = 512


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
    batch: list[DueTouch] = []
    for plan in planned:
        if EARLIEST_NS < plan.sighting.seen.mtime_ns < LATEST_NS:
            batch.append(DueTouch(plan, _journal_entry(plan, run, head, reason)))
        else:
            outcome.refused.append(_out_of_range(plan.sighting.path))
    last = store.commit(lambda txn: record_batch(txn, batch, store.deferred.touched))
    step("after journal")
    flush = Flush(store) if store.deferred.is_full else None
    try:
        for due in batch:
            _touch(due, outcome)
            step("between touches")
    finally:
        if flush is not None:
            flush.wait()
    step("after touches")
    others = defer_writes(store.deferred, batch, last)
    if flush is not None:
        flush.finish()
    if others:
        store.commit(lambda txn: _settle(txn, others))
    if max(len(batch), len(store.deferred)) < min(TOUCH_BATCH, MIN_DEFERRED_TOUCHES):
        store.flush()  # Deferring so few writes saves nothing.
    return outcome


def _touch(due: DueTouch, outcome: Outcome) -> None:
    """Set the date of one file of a batch, and add the result to the outcome of the batch."""
    plan = due.plan
    path = plan.sighting.path
    if due.is_damaged:
        outcome.refused.append(_damaged(path))
        return
    try:
        due.touched = touch(path, _expected(plan.sighting.seen), plan.after_ns)
    except (ChangedError, VanishedError):
        outcome.changed.append(path)
    except TouchError as error:
        outcome.refused.append(error)
    else:
        outcome.touched.append(due.entry)
        if abs(due.touched.seen.mtime_ns - plan.after_ns) >= STEP * 10**9:
            # Exclude the file from later plans. Otherwise every plan would touch the file again.
            outcome.refused.append(_does_not_hold(path))


def _settle(txn: Txn, others: Sequence[DueTouch]) -> None:
    """Store the results of touches whose writes cannot be deferred."""
    for due in others:
        plan, touched = due.plan, due.touched
        if touched is None:
            continue
        _record_own_change(txn, plan.sighting, touched)
        actual = touched.seen.mtime_ns
        if actual == plan.after_ns:
            continue
        held = originals.get(txn, plan.sighting.digest, plan.sighting.path)
        if held is not None:
            rounded = originals.touched(held, held.path, held.before_ns, actual)
            originals.record(txn, plan.sighting.digest, rounded)


def _damaged(path: bytes) -> TouchError:
    return TouchError(path, "the record of its original date is damaged", REMEDY)


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


def _expected(seen: Fingerprint) -> Seen:
    return Seen(seen.dev, seen.ino, seen.size, seen.ctime_ns, seen.mtime_ns)


def _record_own_change(txn: Txn, sighting: Sighting, touched: Touched) -> None:
    """Record the state of a file after a touch, for each name of the file.

    Without this record, the next scan would treat the file as changed and hash it again. A sighting
    that differed from the file before the touch is not changed, because the digest of the file may
    be another one.
    """
    known = sightings.find(txn, sighting.path)
    if known is None:
        ratings.touched_sidecar(txn, sighting.path, sighting.seen, Fingerprint(*touched.seen))
    names = [] if known is None else [known]
    if touched.links > 1:
        names += sightings.of_digest(txn, sighting.digest)
    for name in names:
        # A sidecar has no sighting.
        if name.digest == sighting.digest and name.seen == sighting.seen and not name.gone_ns:
            seen = Fingerprint(*touched.seen)
            sightings.record(txn, structs.replace(name, seen=seen))
            if name.path != sighting.path:
                _share_original(txn, sighting, name.path)


def _share_original(txn: Txn, touched: Sighting, link: bytes) -> None:
    """Store the original of a touched file also for another hard link of the file."""
    held = originals.get(txn, touched.digest, touched.path)
    if held is None:
        return
    own = originals.get(txn, touched.digest, link)
    if own is not None and own.original_ns == held.original_ns:
        shared = originals.touched(own, link, held.before_ns, held.after_ns)
        originals.record(txn, touched.digest, shared)
    else:
        originals.put_present(txn, touched.digest, structs.replace(held, path=link))


# ---- restore the original dates of files


def with_sidecars(images: Sequence[bytes]) -> list[FileAt]:
    """Return the sidecars, such as .xmp files, of these images, with their digests.

    Sidecars whose date was not set by imgscore are left out.
    """
    files = (unseen(path) for path in sidecars.sidecars_of(images))
    return [file for file in files if file is not None]


def unseen(path: bytes) -> FileAt | None:
    """Return a file without a sighting, such as a sidecar, with the digest of the file.

    Return None if the file cannot be read, or if imgscore did not set its date.
    """
    seen = fingerprint_of(path)
    # If a file date has a fraction of a second, no order has set this date. There is no need to
    # read the file.
    if seen is None or seen.mtime_ns % 10**9:
        return None
    digest = sidecars.digest_of(path)
    return None if digest is None else FileAt(digest, path)


def restore_times(
    store: Store, files: Sequence[FileAt], *, dry_run: bool = False, known: Shifts | None = None
) -> Iterator[list[RestoreResult]]:
    """Restore the original dates of files.

    The dates are exact to the nanosecond if the file system supports this. Yield the results of
    RESTORE_BATCH files at a time. In a dry run, change nothing and yield the results that a real
    run would have. Skip a file if its present date was not set by imgscore. `known`: the known
    shifts; None means those in the store.
    """
    run = time.time_ns()
    for start in range(0, len(files), RESTORE_BATCH):
        yield _restore_batch(store, files[start : start + RESTORE_BATCH], run, dry_run, known)


def _restore_batch(
    store: Store, files: Sequence[FileAt], run: int, dry_run: bool, known: Shifts | None
) -> list[RestoreResult]:
    due: list[tuple[Touch, Sighting]] = []
    with store.read() as txn:
        for digest, path in files:
            seen = fingerprint_of(path)
            if seen is None:
                continue
            sighting = _sighting_of(txn, path, seen)
            if sighting is not None and sighting.digest != digest:
                continue
            origin = identity.find(txn, digest, path, seen.mtime_ns, known=known)
            if origin is not None and _needs_restore(origin.original, seen):
                inbox, role = (sighting.inbox, sighting.role) if sighting else (b"", "inbox")
                file = Sighting(path, seen, digest, inbox, role)
                plan = PlannedTouch(file, origin.original.original_ns)
                due.append((_journal_entry(plan, run, "", "restore"), file))
    if dry_run:
        return [RestoreResult(entry, None) for entry, _ in due]

    def prepare(txn: Txn) -> None:
        for entry, _ in due:
            identity.follow(txn, entry.digest, entry.path, entry.before_ns, known=known)
            journal.append(txn, entry)

    store.commit(prepare)
    step("after journal")
    results: list[RestoreResult] = []
    done: list[tuple[Touch, Sighting, Touched]] = []
    restored: dict[tuple[int, int], Touched] = {}
    for entry, file in due:
        inode = file.seen.dev, file.seen.ino
        try:
            # Several hard links of one file share one date.
            if inode not in restored:
                restored[inode] = touch(entry.path, _expected(file.seen), entry.after_ns)
            touched = restored[inode]
        except TouchError as error:
            results.append(RestoreResult(entry, error))
        else:
            done.append((entry, file, touched))
            results.append(RestoreResult(entry, None))
        step("between touches")

    def settle(txn: Txn) -> None:
        for entry, file, touched in done:
            held = originals.get(txn, entry.digest, entry.path)
            if held is not None:
                after = originals.touched(held, held.path, entry.before_ns, entry.after_ns)
                originals.record(txn, entry.digest, after)
            _record_own_change(txn, file, touched)

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
