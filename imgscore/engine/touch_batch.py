"""The records of one batch of touches: the writes before the touches, and those after them.

Before the touches, one commit writes the journal, with the date that each file had before. The
other writes are deferred: imgscore/store/deferred.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from imgscore.order.touch import Touched
from imgscore.reconcile import identity
from imgscore.store import journal, originals, replay, shifts, sightings
from imgscore.store.checksums import DamagedRecordError
from imgscore.store.deferred import Deferred, Values
from imgscore.store.originals import TouchedRecord
from imgscore.store.schema import Fingerprint, Touch, path_key
from imgscore.store.shifts import Shifts
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
    touched: Touched | None = None
    """the state of the file after the touch; None if it was not touched"""


def record_batch(txn: Txn, batch: Sequence[DueTouch], touched_before: bytes) -> int:
    """Write the journal, before the files are touched.

    `touched_before`: the states of the files of the batch before. Return the number of the last
    entry in the journal, or 0 if there are no entries.
    """
    known = shifts.load(txn)
    held = [due for due in batch if _hold_original(txn, due, known)]
    if not held:
        return 0
    first, last = journal.append_many(txn, [due.entry for due in held])
    replay.record(txn, first, last, touched_before)
    return last


def _hold_original(txn: Txn, due: DueTouch, known: Shifts) -> bool:
    """Prepare the record of a file's original date for the touch.

    Return False if the record of the original date is damaged. The file must then not be touched.
    """
    entry = due.entry
    path, digest, before_ns = entry.path, entry.digest, entry.before_ns
    due.path_key = path_key(path)
    try:
        held = identity.follow(txn, digest, path, before_ns, known=known)
    except DamagedRecordError:
        due.is_damaged = True
        return False
    due.is_damaged, due.record = False, None
    touched = originals.touched(held, path, before_ns, entry.after_ns)
    due.record = originals.touched_record(digest + due.path_key, held, touched)
    return True


def defer_writes(
    txn: Txn, deferred: Deferred, batch: Sequence[DueTouch], number: int
) -> list[DueTouch]:
    """Defer the writes after the touches. Return the touches whose writes cannot be deferred.

    `number`: the result of `record_batch`.
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
        after = None
        if touched.links == 1 and touched.seen.mtime_ns == due.entry.after_ns:
            seen = Fingerprint(*touched.seen)
            after = sightings.after_touch(txn, due.path_key, due.plan.sighting, seen)
        if after is None:
            others.append(due)
        else:
            values[due.path_key] = after[0]
            states += (due.path_key, after[1])
    writes = {"dates": dates, "originals": records, "sightings": values}
    deferred.add(number, writes, b"".join(states))
    return others
