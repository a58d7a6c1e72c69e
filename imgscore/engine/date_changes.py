"""Find the shifts among the dates that changed without a change of the bytes (docs/dates.md)."""

from collections.abc import Iterable, Iterator

from imgscore.reconcile.date_match import Match, match
from imgscore.store import originals, shifts, sightings
from imgscore.store.schema import Fingerprint, ForeignDate, Original, Sighting
from imgscore.store.shifts import Shifts
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watches
from imgscore.workers.messages import FileIndexed, IndexFile


def observe(
    txn: Txn, batch: Iterable[tuple[IndexFile, FileIndexed]], watches: Watches, now_ns: int
) -> Shifts:
    """Record the dates that other programs set, and return the shifts among them.

    If a shift is found now, the first files of this shift may have been treated as files with a
    date of the user. This treatment is undone.
    """
    changes = [
        change
        for task, answer in batch
        if watches.locate(task.path) is not None
        and (change := _change(txn, task.path, answer.digest, answer.seen, now_ns)) is not None
    ]
    if not changes:
        return shifts.load(txn)
    known, earlier = shifts.observe(txn, changes, now_ns)
    for change in earlier:
        _treat_again(txn, change, known)
    return known


def unscanned(store: Store, files: Iterable[tuple[Sighting, Fingerprint]]) -> Shifts:
    """Return the stored shifts, and the shifts among files whose change was not scanned yet.

    `files`: the sightings and the present fingerprints of the files. The store is not changed.
    """
    with store.read() as txn:
        changes = [
            change
            for known, seen in files
            if known.seen.mtime_ns != seen.mtime_ns
            and (change := _change_of(txn, known, known.path, seen, 0)) is not None
        ]
        return shifts.find(changes, shifts.load(txn).known)


def _change(
    txn: Txn, path: bytes, digest: bytes, seen: Fingerprint, now_ns: int
) -> ForeignDate | None:
    before = sightings.find(txn, path)
    if before is None or before.digest != digest:
        before = sightings.with_inode(txn, digest, seen.dev, seen.ino)
    if before is None or before.seen.mtime_ns == seen.mtime_ns:
        return None
    return _change_of(txn, before, path, seen, now_ns)


def _change_of(
    txn: Txn, before: Sighting, path: bytes, seen: Fingerprint, now_ns: int
) -> ForeignDate | None:
    """Return the change of a date, or None if the date was set by imgscore or is the original."""
    mtime_ns = seen.mtime_ns
    for original in originals.of_digest(txn, before.digest):
        found = match(original, mtime_ns)
        if found >= Match.ORIGINAL or found in (Match.EARLIER, Match.ROUNDED):
            return None
    return ForeignDate(now_ns, before.digest, path, before.seen.mtime_ns, mtime_ns)


def _treat_again(txn: Txn, change: ForeignDate, known: Shifts) -> None:
    """Correct the record of a file whose date was changed before the shift was known."""
    present = originals.get(txn, change.digest, change.path)
    if change.date_ns in known.given:
        # The date looked like a change of the time zone, but several files got the same date.
        if present is not None and present.after_ns == present.before_ns == change.date_ns:
            originals.set_aside(txn, change.digest, present)
        return
    if not known.is_known(change.delta_ns, change.date_ns):
        return
    if present is None and not _has_date(txn, change):
        return
    if present is not None and present.original_ns != change.date_ns:
        return
    for original in _set_aside(txn, change):
        # The file has the shifted date, or an order has replaced this date since then.
        after_ns = change.date_ns if present is None else present.after_ns
        before_ns = change.date_ns if present is None else present.before_ns
        shifted = originals.touched(original, change.path, change.date_ns, change.date_ns)
        taken = originals.touched(shifted, change.path, before_ns, after_ns)
        originals.put_present(txn, change.digest, taken, original)
        return


def _has_date(txn: Txn, change: ForeignDate) -> bool:
    """Return whether the file was last seen at its path, with the date of the change."""
    last = sightings.find(txn, change.path)
    return last is not None and (last.digest, last.seen.mtime_ns, last.gone_ns) == (
        change.digest,
        change.date_ns,
        0,
    )


def _set_aside(txn: Txn, change: ForeignDate) -> Iterator[Original]:
    """Yield the records of the file that were set aside because of the change of the date."""
    for original in originals.of_digest(txn, change.digest):
        if original.path == change.path and change.before_ns in (
            original.before_ns,
            original.after_ns,
        ):
            yield original
