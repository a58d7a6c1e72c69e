"""The records of mass changes: many labels that were cleared or flipped at once.

A mass change is a range of the label log. `status` reports the newest one, and `undo label` undoes
a mass change as a whole. A flipped label is one that changed to another label, such as from keep to
trash.
"""

import msgspec

from imgscore.store import settings
from imgscore.store.transaction import Txn

KEPT = 32
"""The number of mass changes that the store keeps. An older one is undone label by label."""


class MassChange(msgspec.Struct, frozen=True):
    """A mass change. `first`, `last`: the numbers of its first and last event in the label log."""

    first: int
    last: int
    time_ns: int
    cleared: int
    flipped: int
    undone: bool = False

    def text(self) -> str:
        """Return a description of the mass change for the user."""
        parts = [
            f"{count:,} {'label was' if count == 1 else 'labels were'} {what}"
            for count, what in (
                (self.cleared, "cleared"),
                (self.flipped, "changed to another label"),
            )
            if count
        ]
        return f"{' and '.join(parts)} at once, because files were moved"


_decoder = msgspec.json.Decoder(list[MassChange])


def iter_all(txn: Txn) -> list[MassChange]:
    """Return the mass changes, oldest first."""
    value = settings.get(txn, "mass_changes")
    return [] if value is None else _decoder.decode(value)


def record(txn: Txn, change: MassChange) -> None:
    """Write a mass change. It replaces the record with the same first event."""
    others = [other for other in iter_all(txn) if other.first != change.first]
    changes = sorted([*others, change], key=lambda kept: kept.first)[-KEPT:]
    settings.put(txn, "mass_changes", msgspec.json.encode(changes).decode())


def find(txn: Txn, number: int) -> MassChange | None:
    """Return the mass change that contains an event of the label log, or None."""
    return next((change for change in iter_all(txn) if change.first <= number <= change.last), None)
