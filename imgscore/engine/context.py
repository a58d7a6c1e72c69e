"""The state that all stages share: the store, the watches, the embedder, the workers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgscore.config import Config
from imgscore.embedders.registry import Spec
from imgscore.engine.events import EventLog
from imgscore.store import heads
from imgscore.store.store import Store
from imgscore.watches import Watches, within
from imgscore.workers.messages import Answer, Task


class WorkerPool(Protocol):
    """The part of workers.pool.Pool that the engine and the watchdog use; see there."""

    @property
    def alive(self) -> int: ...

    @property
    def busy(self) -> int: ...

    @property
    def trainer_busy(self) -> bool: ...

    def pids(self) -> list[int]: ...

    def tasks(self, pid: int) -> list[Task]: ...

    def has_room(self) -> bool: ...

    def submit(self, task: Task) -> bool: ...

    def warm_up(self) -> None: ...

    def answers(
        self, timeout: float | None, wake: int | None = None
    ) -> list[tuple[Task, Answer]]: ...

    def reap_idle(self, now: float) -> float | None: ...

    def close(self) -> None: ...


@dataclass
class EngineContext:
    """One store, one config, one pool. `version` rises with every change that a status shows."""

    store: Store
    config: Config
    heads: Path
    watches: Watches
    embedder: Spec
    pool: WorkerPool
    event_log: EventLog
    problems: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """facts about the machine for the user, by subject; reported once"""
    offline: set[bytes] = field(default_factory=set)
    """watched roots that were missing at their last scan"""
    version: int = 0

    def changed(self) -> None:
        """Call this after any change that a status shows."""
        self.version += 1

    def is_online(self, folder: bytes) -> bool:
        """Whether the last scan found the folder."""
        return not any(within(folder, root) for root in self.offline)

    @property
    def unavailable(self) -> str | None:
        """The problem because of which the store accepts nothing, so that all work waits."""
        return self.problems.get("disk") or self.problems.get("store")

    @property
    def shortage(self) -> str | None:
        """The problem, where the store's disk has less than `free_mb` free."""
        free_mb = self.config.daemon.free_mb
        enough = self.store.free_bytes() >= free_mb * 10**6
        return None if enough else f"less than {free_mb} MB free where the store lies"

    def head(self, taste: str) -> str | None:
        """The version of the head that scores a taste under this embedder."""
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record and record.embedder == self.embedder.id else None

    def ordering_head(self, taste: str) -> str | None:
        """The version of the head whose scores order a taste.

        Until all is embedded under a new embedder, it is a head of the old one.
        """
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record else None
