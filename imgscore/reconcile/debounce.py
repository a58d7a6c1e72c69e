"""Which paths may have changed, and when each may be looked at. Pure but for the stat given to it.

A hint never says what happened; it only says where to look. A file is looked at once it has held
still: its ctime is `settle` old, or two looks `settle` apart saw the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from imgscore.store.schema import Fingerprint


@dataclass
class _Hint:
    due: float
    seen: Fingerprint | None = None


class Hints:
    """Paths to look at. Times are seconds of one monotonic clock."""

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._hints: dict[bytes, _Hint] = {}

    def __len__(self) -> int:
        return len(self._hints)

    def add(self, path: bytes, now: float) -> None:
        """Something may have happened at `path`: look `settle` after the last hint."""
        self._hints[path] = _Hint(now + self.settle)

    def next_due(self) -> float | None:
        """When the next path is due. Hints are in the order of their time but for re-armed ones."""
        return min((hint.due for hint in self._hints.values()), default=None)

    def ready(
        self, now: float, clock_ns: int, stat: Callable[[bytes], Fingerprint | None]
    ) -> Iterator[tuple[bytes, Fingerprint | None]]:
        """Remove and give the due paths that hold still, with what is there now (None: nothing)."""
        for path in [path for path, hint in self._hints.items() if hint.due <= now]:
            hint, seen = self._hints[path], stat(path)
            if seen is not None and not self._still(seen, hint.seen, clock_ns):
                hint.seen, hint.due = seen, now + self.settle
                continue
            del self._hints[path]
            yield path, seen

    def _still(self, seen: Fingerprint, before: Fingerprint | None, clock_ns: int) -> bool:
        age_ns = clock_ns - seen.ctime_ns
        return seen == before or age_ns >= self.settle * 1e9


Urgency = Literal["asked", "teaches", "inbox", "again"]
"""Why a path is looked at: someone waits for it; it teaches; it is only to be ordered; it is known
but has no vector under a new embedder."""


class IndexQueue:
    """Paths waiting for a worker, the most urgent first, each once in its line."""

    def __init__(self) -> None:
        # Taking the first of a plain dict costs a look at all that were taken before it.
        self._lines: dict[Urgency, OrderedDict[bytes, None]] = {
            "asked": OrderedDict(),
            "teaches": OrderedDict(),
            "inbox": OrderedDict(),
            "again": OrderedDict(),
        }

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def waiting(self, urgency: Urgency) -> int:
        """How many paths wait for this reason."""
        return len(self._lines[urgency])

    def add(self, path: bytes, urgency: Urgency) -> None:
        """Queue a path."""
        self._lines[urgency][path] = None

    def has(self, last: Urgency = "again") -> bool:
        """Whether `take` has a path."""
        return any(self._lines[urgency] for urgency in self._upto(last))

    def take(self, last: Urgency = "again") -> bytes | None:
        """The next path, first come first served, of what is at least as urgent as `last`."""
        for urgency in self._upto(last):
            if self._lines[urgency]:
                return self._lines[urgency].popitem(last=False)[0]
        return None

    def _upto(self, last: Urgency) -> Iterator[Urgency]:
        for urgency in self._lines:
            yield urgency
            if urgency == last:
                return
