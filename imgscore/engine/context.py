"""The state that all stages share: the store, the watches, the embedder and the worker pool."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgscore import events
from imgscore.config import Config
from imgscore.embedders.registry import Spec
from imgscore.engine.events import EventLog
from imgscore.engine.problems import Problems
from imgscore.store import heads
from imgscore.store.store import Store
from imgscore.watches import Watches, within
from imgscore.workers.messages import Answer, IndexFile, Task


class WorkerPool(Protocol):
    """The part of `workers.pool.Pool` that the engine and the watchdog use.

    The class `Pool` documents these methods.
    """

    @property
    def alive(self) -> int: ...

    @property
    def busy(self) -> int: ...

    @property
    def trainer_busy(self) -> bool: ...

    def pids(self) -> list[int]: ...

    def tasks(self, pid: int) -> list[Task]: ...

    def has_room(self) -> bool: ...

    @property
    def room(self) -> int: ...

    def submit(self, task: Task) -> bool: ...

    def submit_all(self, tasks: deque[IndexFile]) -> None: ...

    def warm_up(self) -> None: ...

    def answers(
        self, timeout: float | None, wake: int | None = None
    ) -> list[tuple[Task, Answer]]: ...

    def collect(self, timeout: float) -> None: ...

    def retry(self) -> None: ...

    def reap_idle(self, now: float) -> float | None: ...

    def close(self) -> None: ...


@dataclass
class EngineContext:
    """The store, the config and the worker pool of one engine.

    `version` increases with every change that affects the status of the daemon.
    """

    store: Store
    config: Config
    heads: Path
    watches: Watches
    embedder: Spec
    pool: WorkerPool
    event_log: EventLog
    problems: Problems = field(init=False)
    """the present problems of the stages"""
    notes: dict[str, str] = field(default_factory=dict)
    """facts about the machine for the user, as a map from a subject to a text. Each fact is
    reported once."""
    offline: set[bytes] = field(default_factory=set)
    """the watched folders that did not exist at their last scan"""
    version: int = 0

    def __post_init__(self) -> None:
        def emit(text: str) -> None:
            self.event_log.emit(events.Problem(reason=text))

        self.problems = Problems(emit, self.changed)

    def changed(self) -> None:
        """Increase `version`. Call this after any change that affects the status of the daemon."""
        self.version += 1

    def is_online(self, folder: bytes) -> bool:
        """Return whether the watched folder that contains `folder` existed at the last scan."""
        return not any(within(folder, root) for root in self.offline)

    @property
    def shortage(self) -> str | None:
        """A text about the lack of disk space, or None.

        None means that at least `free_mb` MB of the store's disk are free.
        """
        free_mb = self.config.daemon.free_mb
        enough = self.store.free_bytes() >= free_mb * 10**6
        return None if enough else f"less than {free_mb} MB free where the store lies"

    def head(self, taste: str) -> str | None:
        """Return the version of the head that scores the files of a taste.

        Return None if the taste has no head, or if its head was trained under another embedder than
        the embedder in use.
        """
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record and record.embedder == self.embedder.id else None

    def ordering_head(self, taste: str) -> str | None:
        """Return the version of the head whose scores order the inboxes of a taste.

        Return None if the taste has no head. After a switch to another embedder, the head of the
        old embedder is used as long as some files have no vector under the new embedder.
        """
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record else None
