"""Hints: which paths to check, and when; and the queue of paths to index. Pure.

A hint says only that a path may have changed. A file is checked when it is stable: its ctime is at
least `settle` old, or two stats at least `settle` apart are equal.
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
    """Paths to check. Times are seconds of one monotonic clock."""

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._hints: dict[bytes, _Hint] = {}

    def __len__(self) -> int:
        return len(self._hints)

    def add(self, path: bytes, now: float) -> None:
        """Note that `path` may have changed: it is due `settle` after its last hint."""
        self._hints[path] = _Hint(now + self.settle)

    def next_due(self) -> float | None:
        """Return when the next path is due; None without hints."""
        return min((hint.due for hint in self._hints.values()), default=None)

    def ready(
        self, now: float, clock_ns: int, stat: Callable[[bytes], Fingerprint | None]
    ) -> Iterator[tuple[bytes, Fingerprint | None]]:
        """Remove and yield the due paths that are stable, each with its present fingerprint.

        None: there is no file. `clock_ns`: the present time on the clock of ctimes.
        """
        for path in [path for path, hint in self._hints.items() if hint.due <= now]:
            hint, seen = self._hints[path], stat(path)
            if seen is not None and not self._is_stable(seen, hint.seen, clock_ns):
                hint.seen, hint.due = seen, now + self.settle
                continue
            del self._hints[path]
            yield path, seen

    def _is_stable(self, seen: Fingerprint, before: Fingerprint | None, clock_ns: int) -> bool:
        age_ns = clock_ns - seen.ctime_ns
        return seen == before or age_ns >= self.settle * 1e9


Urgency = Literal["asked", "teaches", "inbox", "again"]
"""Why a path is indexed: a client waits for it; it is in a keep or trash folder; it is in an inbox;
or it lacks a vector of a new embedder."""


class IndexQueue:
    """Paths that wait for a worker, the most urgent first, each at most once for each urgency."""

    def __init__(self) -> None:
        # A plain dict is slow here: finding its first key skips all keys deleted before it.
        self._paths: dict[Urgency, OrderedDict[bytes, None]] = {
            "asked": OrderedDict(),
            "teaches": OrderedDict(),
            "inbox": OrderedDict(),
            "again": OrderedDict(),
        }

    def __len__(self) -> int:
        return sum(len(paths) for paths in self._paths.values())

    def waiting(self, urgency: Urgency) -> int:
        """Return the number of paths of this urgency."""
        return len(self._paths[urgency])

    def add(self, path: bytes, urgency: Urgency) -> None:
        """Queue a path."""
        self._paths[urgency][path] = None

    def has(self, last: Urgency = "again") -> bool:
        """Whether a path is waiting that is at least as urgent as `last`."""
        return any(self._paths[urgency] for urgency in self._up_to(last))

    def take(self, last: Urgency = "again") -> bytes | None:
        """Remove and return the first path of the highest urgency, down to `last`."""
        for urgency in self._up_to(last):
            if self._paths[urgency]:
                return self._paths[urgency].popitem(last=False)[0]
        return None

    def _up_to(self, last: Urgency) -> Iterator[Urgency]:
        for urgency in self._paths:
            yield urgency
            if urgency == last:
                return
