"""The stage that reports mass changes: many labels that were cleared or flipped at once.

A run of label changes ends when all files are compared with the store and no label has changed for
GAP_SECONDS. The stage reads the label changes of other stages and stores no label itself.
"""

import time

from imgscore import events
from imgscore.engine.context import EngineContext
from imgscore.engine.label_change import LabelChange
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.store import counts, labels, mass_changes
from imgscore.store.mass_changes import MassChange
from imgscore.store.transaction import Txn
from imgscore.watches import Role

MIN_LABELS = 20
"""More changed labels than this are a mass change. A user seldom moves so many files by hand."""
MIN_OF_FOLDER = 3
"""The smallest number of changed labels that can be half of a folder. With one or two files, half
of a folder is a normal correction."""
GAP_SECONDS = 3.0
"""The longest time between two label changes of a run, in seconds. A sync program may move one file
a second."""
REPORT_NS = 86_400 * 10**9
"""The time for which `status` reports a mass change, in nanoseconds."""
REMEDY = "to undo this: imgscore undo label"
NOTE = "labels"
"""The subject of the note in `EngineContext.notes`"""


class MassChanges(AnyStage):
    """The stage, with the label changes of the present run."""

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self._new: list[LabelChange] = []
        self._last_at = 0.0
        self._noted_ns = 0
        self._reset()
        newest = next(iter(reversed(mass_changes.iter_all(txn))), None)
        if newest is not None and not newest.undone:
            self._note(newest)

    def _reset(self) -> None:
        self._first = self._cleared = self._flipped = 0
        self._folders: dict[tuple[bytes, Role], int] = {}
        self._mass: MassChange | None = None

    def receive(self, effects: Effects) -> None:
        """Note the labels that were cleared or flipped because of the places of files."""
        self._new += [
            change
            for change in effects.label_changes
            if change.before is not None and change.before != change.after
        ]

    @property
    def pending(self) -> int:
        """The number of label changes that are not counted yet."""
        return len(self._new)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the run may end, in monotonic seconds."""
        if self._new:
            return conditions.now
        if not self._first or not conditions.reconciled:
            return None
        return self._last_at + GAP_SECONDS

    def advance(self, conditions: Conditions) -> None:
        """Count the new label changes, and report the run at its end if it is a mass change."""
        if self._first and not self._new:
            if conditions.reconciled and conditions.now >= self._last_at + GAP_SECONDS:
                self._end()
            return
        if not self._new:
            self._expire()
            return
        new, self._new = self._new, []
        self._last_at = conditions.now
        self._first = self._first or new[0].number
        for change in new:
            self._cleared += change.after is None
            self._flipped += change.after is not None
            if change.folder is not None:
                self._folders[change.folder] = self._folders.get(change.folder, 0) + 1
        with self.ctx.store.read() as txn:
            is_mass, last = self._is_mass(txn), labels.last_sequence(txn)
        if is_mass:
            mass = MassChange(self._first, last, time.time_ns(), self._cleared, self._flipped)
            self.ctx.store.commit(lambda txn: mass_changes.record(txn, mass))
            self._mass = mass
            self._note(mass)

    def _is_mass(self, txn: Txn) -> bool:
        if self._cleared + self._flipped > MIN_LABELS:
            return True
        return any(
            changed >= max(MIN_OF_FOLDER, counts.files(txn, inbox, role))
            for (inbox, role), changed in self._folders.items()
        )

    def _note(self, mass: MassChange) -> None:
        if time.time_ns() - mass.time_ns < REPORT_NS:
            self.ctx.notes[NOTE] = f"{mass.text()}; {REMEDY}"
            self._noted_ns = mass.time_ns
            self.ctx.changed()

    def _expire(self) -> None:
        if NOTE in self.ctx.notes and time.time_ns() - self._noted_ns >= REPORT_NS:
            del self.ctx.notes[NOTE]
            self.ctx.changed()

    def _end(self) -> None:
        if self._mass is not None:
            self.ctx.event_log.emit(
                events.MassChange(
                    cleared=self._mass.cleared, flipped=self._mass.flipped, remedy=REMEDY
                )
            )
            self.ctx.changed()
        self._reset()

    def undone(self) -> None:
        """End the report in `status`, because the user has undone the mass change."""
        self.ctx.notes.pop(NOTE, None)
        self._reset()
        self.ctx.changed()
