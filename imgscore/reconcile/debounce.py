"""Two collections of paths: `Hints` contains paths to check, `IndexQueue` contains paths to index.

This module reads no files and no clock. A hint means only that a path may have changed. A path is
checked when its file is stable. A file is stable if its ctime is at least `settle` seconds old. It
is also stable if two stat results at least `settle` seconds apart are equal.
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
    """The paths to check, because their files may have changed.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._hints: dict[bytes, _Hint] = {}

    def __len__(self) -> int:
        return len(self._hints)

    def add(self, path: bytes, now: float) -> None:
        """Add the hint that `path` may have changed.

        The path is checked when at least `settle` seconds have passed since the last hint.
        """
        self._hints[path] = _Hint(now + self.settle)

    def next_due(self) -> float | None:
        """Return the earliest time at which a path must be checked.

        None means that there are no hints.
        """
        return min((hint.due for hint in self._hints.values()), default=None)

    def ready(
        self, now: float, clock_ns: int, stat: Callable[[bytes], Fingerprint | None]
    ) -> Iterator[tuple[bytes, Fingerprint | None]]:
        """Yield (path, present fingerprint) for each path that must be checked now.

        These are the paths whose last hint is at least `settle` seconds old, and whose file is
        stable or missing. The fingerprint of a missing file is None. A yielded path is removed from
        the hints. A path whose file is not stable is checked again after `settle` seconds.

        `clock_ns`: the present time in ns, on the clock that the file system uses for ctimes.
        `stat`: a function that returns the fingerprint of the file at a path.
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
"""The reason why a path is indexed.

"asked": a client waits for the path. "teaches": the path is in a keep or trash folder. "inbox": the
path is in an inbox. "again": the image lacks a vector of a new embedder.
"""


class IndexQueue:
    """The paths of files that a worker must index, most urgent first.

    If a path is added with several urgencies, the queue contains it once for each urgency.
    """

    def __init__(self) -> None:
        # Use OrderedDict, because taking the first key of a plain dict is slow: Python skips all
        # deleted keys before that key.
        self._paths: dict[Urgency, OrderedDict[bytes, None]] = {
            "asked": OrderedDict(),
            "teaches": OrderedDict(),
            "inbox": OrderedDict(),
            "again": OrderedDict(),
        }

    def __len__(self) -> int:
        return sum(len(paths) for paths in self._paths.values())

    def waiting(self, urgency: Urgency) -> int:
        """Return the number of paths in the queue that have this urgency."""
        return len(self._paths[urgency])

    def count(self, last: Urgency = "again") -> int:
        """Return the number of paths with the urgency `last` or a higher urgency."""
        return sum(len(self._paths[urgency]) for urgency in self._up_to(last))

    def add(self, path: bytes, urgency: Urgency) -> None:
        """Add a path to the queue, unless the path is already there with this urgency."""
        self._paths[urgency][path] = None

    def discard(self, path: bytes) -> None:
        """Remove a path whose file is gone. If a client has asked about it, it stays."""
        for urgency, paths in self._paths.items():
            if urgency != "asked":
                paths.pop(path, None)

    def has(self, last: Urgency = "again") -> bool:
        """Return whether the queue contains a path with the urgency `last` or a higher urgency."""
        return any(self._paths[urgency] for urgency in self._up_to(last))

    def take(self, count: int, last: Urgency = "again") -> list[bytes]:
        """Remove the first `count` of the most urgent paths from the queue, and return them.

        A path that is less urgent than `last` is not removed.
        """
        taken: list[bytes] = []
        for urgency in self._up_to(last):
            paths = self._paths[urgency]
            while paths and len(taken) < count:
                taken.append(paths.popitem(last=False)[0])
        return taken

    def _up_to(self, last: Urgency) -> Iterator[Urgency]:
        for urgency in self._paths:
            yield urgency
            if urgency == last:
                return
