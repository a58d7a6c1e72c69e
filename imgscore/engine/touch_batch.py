"""The records of one batch of touches: the writes before the touches, and those after them.

Before the touches, one commit writes the journal, with the date that each file had before. The
other writes are deferred: imgscore/store/deferred.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgscore.order.touch import Touched
from imgscore.reconcile import identity
from imgscore.store import journal, originals, replay, shifts, sightings
from imgscore.store.checksums import DamagedRecordError
from imgscore.store.deferred import Deferred, Values
from imgscore.store.originals import TouchedRecord
from imgscore.store.schema import Original, Touch, packed_fingerprint, path_key
from imgscore.store.transaction import Txn
from imgscore.workers.messages import PlannedTouch


@dataclass(slots=True)
class DueTouch:
    """One touch of a batch, with its entry in the journal."""

    plan: PlannedTouch
    entry: Touch
    path_key: bytes = b""
    is_damaged: bool = False
    """whether the record of the original date is damaged. The file must then not be touched."""
    record: TouchedRecord | None = None
    """the record of the original date after the touch; None if the present one is damaged"""
    rest: bytes = b""
    """the stored sighting without the fingerprint; empty if it is not the sighting of the plan"""
    touched: Touched | None = None
    """the state of the file after the touch; None if it was not touched"""


def record_batch(txn: Txn, batch: Sequence[DueTouch], touched_before: bytes) -> int:
    """Write the journal, before the files are touched.

    `touched_before`: the states of the files of the batch before. Return the number of the last
    entry in the journal, or 0 if there are no entries.
    """
    with txn.table("originals").prefix_test() as has_original:
        holder = _Holder(txn, has_original)
        entries = [due.entry for due in batch if holder.hold(due)]
    if not entries:
        return 0
    first, last = journal.append_many(txn, entries)
    replay.record(txn, first, last, touched_before)
    return last


class _Holder:
    """Prepares the records of the original dates for the touches of a batch."""

    def __init__(self, txn: Txn, has_original: Callable[[bytes], bool]) -> None:
        self._txn = txn
        self._has_original = has_original
        self._known = shifts.load(txn)
        self._read_again()

    def _read_again(self) -> None:
        self._sighting = self._txn.table("sightings").getter()
        self._original = originals.getter(self._txn)

    def hold(self, due: DueTouch) -> bool:
        """Prepare the record of a file's original date for the touch.

        Return False if the record of the original date is damaged. The file must then not be
        touched.
        """
        entry, sighting = due.entry, due.plan.sighting
        path, digest, before_ns = entry.path, entry.digest, entry.before_ns
        due.path_key = path_key(path)
        due.rest = sightings.rest_of(self._sighting(due.path_key, b""), sighting)
        key = digest + due.path_key
        due.is_damaged, due.record = False, None
        try:
            held = self._original(key)
            is_first = held is None and bool(due.rest) and not self._has_original(digest)
            if not is_first and (held is None or held.after_ns != before_ns):
                held = self._follow(due)
        except DamagedRecordError:
            due.is_damaged = True
            return False
        due.record = originals.touched_record(
            key, held, originals.touched(held, path, before_ns, entry.after_ns)
        )
        return True

    def _follow(self, due: DueTouch) -> Original | None:
        """Find the record of a file whose last touch was not made by the last order."""
        entry = due.entry
        try:
            return identity.follow(
                self._txn, entry.digest, entry.path, entry.before_ns, known=self._known
            )
        finally:
            # The transaction may have written records, and made the deferred writes.
            self._read_again()
            self._has_original = _is_possible


def _is_possible(digest: bytes) -> bool:
    """Return True: the digest may have a record. After a write, this replaces the exact test."""
    return True


def defer_writes(deferred: Deferred, batch: Sequence[DueTouch], number: int) -> list[DueTouch]:
    """Defer the writes after the touches. Return the touches whose writes cannot be deferred.

    `number`: the result of `record_batch`. No other transaction may have changed the sightings of
    the batch since then.
    """
    if not number:
        return []
    dates: Values = {}
    records: Values = {}
    values: Values = {}
    states: list[bytes] = []
    others: list[DueTouch] = []
    for due in batch:
        if due.record is not None:
            records[due.record.key] = due.record.value
            dates.update(due.record.dates)
        touched = due.touched
        if touched is None:
            continue
        seen = touched.seen
        if due.rest and touched.links == 1 and seen.mtime_ns == due.entry.after_ns:
            packed = packed_fingerprint(*seen)
            values[due.path_key] = packed + due.rest
            states += (due.path_key, packed)
        else:
            others.append(due)
    writes = {"dates": dates, "originals": records, "sightings": values}
    deferred.add(number, writes, b"".join(states))
    return others
