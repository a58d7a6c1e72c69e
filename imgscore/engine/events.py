"""What has happened, as rows for whoever follows: labels and dates as the store's logs have them,
the rest as workers answered it. The last few are kept in memory; nothing is written.
"""

import os
import time
from collections import Counter, deque
from itertools import takewhile
from typing import Any, Literal

from imgscore.store import journal, labels, scores
from imgscore.store.schema import Reason
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    Refused,
    Rescore,
    Scored,
    Task,
    Train,
    Trained,
    Unreadable,
)

KEPT = 256
# An import logs thousands of labels at once: beyond this many they are told as one row.
MAX_EACH = 100

Event = Literal[
    "failed", "following", "label", "labels", "ordered", "paused", "rescored", "restored",
    "resumed", "scored", "trained", "trouble", "undone",
]  # fmt: skip
"""What is told; docs/guide.md says what each means."""

_DATES: dict[Reason, Event] = {"order": "ordered", "restore": "restored", "undo": "undone"}


class EventLog:
    """Rows with a running number; each has "event" and "time_ns"."""

    def __init__(self, store: Store, txn: Txn) -> None:
        self._store = store
        self._label = labels.last_sequence(txn)
        self._touch = journal.last_number(txn)
        self._rescored: Counter[str] = Counter()
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0

    def emit(self, event: Event, **facts: Any) -> None:
        """Something has happened now."""
        self._add(event, time.time_ns(), facts)

    def answered(self, task: Task, answer: Answer) -> None:
        """A worker has answered."""
        match task, answer:
            case (IndexFile(path), FileIndexed(reason="") as looked):
                score = looked.score
                self.emit(
                    "scored",
                    path=os.fsdecode(path),
                    sha256=looked.digest.hex(),
                    score=round(score[0], 6) if score else None,
                    taste=task.taste,
                    head=task.head or None,
                )
            case (
                IndexFile(path),
                FileIndexed(reason=reason, remedy=remedy)
                | Unreadable(reason, remedy)
                | Refused(reason, remedy),
            ):
                self.emit("failed", path=os.fsdecode(path), reason=reason, remedy=remedy)
            case IndexFile(path), Crashed(reason):
                self.emit("failed", path=os.fsdecode(path), reason=reason, remedy="")
            case Train(taste), Trained(record):
                self.emit(
                    "trained",
                    taste=taste,
                    head=record.version,
                    labels=record.labels,
                    used=record.accepted,
                )
            case Train(taste) | Rescore(taste), Refused(reason, remedy):
                self.emit("failed", path=None, reason=f"{taste}: {reason}", remedy=remedy)
            case Rescore(taste, head), Scored(packed, last):
                self._rescored[taste] += len(packed) // scores.PACKED_SIZE
                if last:
                    count = self._rescored.pop(taste, 0)
                    self.emit("rescored", taste=taste, head=head, files=count)

    def since(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """The newest row's number, and the rows after `number` that are still kept."""
        self._read_logs()
        new = min(self._number - number, len(self._rows))
        return self._number, list(self._rows)[len(self._rows) - new :]

    def _read_logs(self) -> None:
        with self._store.read() as txn:
            label, touch = labels.last_sequence(txn), journal.last_number(txn)
            if label > self._label:
                self._read_labels(txn)
            if touch > self._touch:
                self._read_touches(txn)
        self._label, self._touch = label, touch

    def _read_labels(self, txn: Txn) -> None:
        events = [
            event
            for _, event in takewhile(lambda one: one[0] > self._label, labels.newest_first(txn))
        ]
        if len(events) > MAX_EACH:
            count: Counter[str] = Counter(event.label for event in events)
            told = {name: count[name] for name in ("keep", "trash", "clear")}
            self._add("labels", events[0].time_ns, told)
            return
        for event in reversed(events):
            facts = {
                "path": os.fsdecode(event.path),
                "sha256": event.digest.hex(),
                "label": event.label,
                "source": event.source,
                "taste": event.taste,
            }
            self._add("label", event.time_ns, facts)

    def _read_touches(self, txn: Txn) -> None:
        runs: Counter[tuple[int, Reason, bytes]] = Counter()
        for _, touch in takewhile(lambda one: one[0] > self._touch, journal.newest_first(txn)):
            runs[touch.run, touch.reason, touch.inbox] += 1
        for (run, reason, inbox), count in sorted(runs.items()):
            facts = {"inbox": os.fsdecode(inbox) or None, "files": count}
            self._add(_DATES[reason], run, facts)

    def _add(self, event: Event, time_ns: int, facts: dict[str, Any]) -> None:
        self._number += 1
        self._rows.append({"event": event, "time_ns": time_ns, **facts})
