"""The events that clients receive. This module keeps the newest events in memory.

It reads events about labels and dates from the store's logs. The other events come from the answers
of the workers, and are not stored.
"""

import os
from collections import Counter, deque
from collections.abc import Callable
from itertools import takewhile

from imgscore import events
from imgscore.events import Event
from imgscore.store import journal, labels
from imgscore.store.schema import Reason
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

KEPT = 256
"""The largest number of events in memory. A client that requests events too rarely misses some of
them."""
MAX_EACH = 100
"""The largest number of new labels that are sent as single events. If more labels are new, for
example after an import, all of them become one event."""

_DATES: dict[Reason, type[events.Ordered | events.Restored | events.Undone]] = {
    "order": events.Ordered,
    "restore": events.Restored,
    "undo": events.Undone,
}


class EventLog:
    """The list of the newest events. Each event has a number: 1, 2, 3 and so on."""

    def __init__(self, store: Store, txn: Txn) -> None:
        self._store = store
        self._label = labels.last_sequence(txn)
        self._touch = journal.last_number(txn)
        self._events: deque[Event | Callable[[], Event]] = deque(maxlen=KEPT)
        self._number = 0

    def emit(self, event: Event) -> None:
        """Append an event."""
        self._number += 1
        self._events.append(event)

    def emit_later(self, event: Callable[[], Event]) -> None:
        """Append an event that is built when a client reads it."""
        self._number += 1
        self._events.append(event)

    def since(self, number: int) -> tuple[int, list[Event]]:
        """Return the number of the newest event, and the events with a number larger than `number`.

        Only events that are still in memory are returned.
        """
        self._read_logs()
        new = min(self._number - number, len(self._events))
        newest = list(self._events)[len(self._events) - new :]
        return self._number, [event() if callable(event) else event for event in newest]

    def _read_logs(self) -> None:
        with self._store.read() as txn:
            label, touch = labels.last_sequence(txn), journal.last_number(txn)
            if label > self._label:
                self._read_labels(txn)
            if touch > self._touch:
                self._read_touches(txn)
        self._label, self._touch = label, touch

    def _read_labels(self, txn: Txn) -> None:
        logged = [
            label
            for _, label in takewhile(
                lambda entry: entry[0] > self._label, labels.newest_first(txn)
            )
        ]
        if len(logged) > MAX_EACH:
            count: Counter[str] = Counter(label.label for label in logged)
            self.emit(
                events.ManyLabelled(
                    time_ns=logged[0].time_ns,
                    keep=count["keep"],
                    trash=count["trash"],
                    clear=count["clear"],
                    undecided=count["undecided"],
                )
            )
            return
        for label in reversed(logged):
            self.emit(
                events.Labelled(
                    time_ns=label.time_ns,
                    path=os.fsdecode(label.path),
                    sha256=label.digest.hex(),
                    label=label.label,
                    source=label.source,
                    taste=label.taste,
                    grade=label.grade,
                )
            )

    def _read_touches(self, txn: Txn) -> None:
        runs: Counter[tuple[int, Reason, bytes]] = Counter()
        for _, touch in takewhile(lambda entry: entry[0] > self._touch, journal.newest_first(txn)):
            runs[touch.run, touch.reason, touch.inbox] += 1
        for (run, reason, inbox), count in sorted(runs.items()):
            kind = _DATES[reason]
            self.emit(kind(time_ns=run, inbox=os.fsdecode(inbox) or None, files=count))
