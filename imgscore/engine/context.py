"""What the rooms of the flow share: the store, the watches, the embedder, the workers."""

from dataclasses import dataclass, field
from pathlib import Path

from imgscore.config import Config
from imgscore.embedders.registry import Spec
from imgscore.engine.events import EventLog
from imgscore.store import heads
from imgscore.store.store import Store
from imgscore.watches import Watches
from imgscore.workers.pool import Pool


@dataclass
class EngineContext:
    """One store, one config, one pool. `version` rises with every change that a status shows."""

    store: Store
    config: Config
    heads: Path
    watches: Watches
    embedder: Spec
    pool: Pool
    event_log: EventLog
    problems: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """what the user should know of the machine, by subject; said once"""
    version: int = 0

    def changed(self) -> None:
        """Something that a status shows is different now."""
        self.version += 1

    @property
    def unavailable(self) -> str:
        """Why the store takes nothing until later, so that all work waits; "" where it does."""
        return self.problems.get("disk") or self.problems.get("store", "")

    @property
    def shortage(self) -> str:
        """What is said where the store has less room than `free_mb`; "" where it has enough."""
        free_mb = self.config.daemon.free_mb
        enough = self.store.free_bytes() >= free_mb * 10**6
        return "" if enough else f"less than {free_mb} MB free where the store lies"

    def head(self, taste: str) -> str:
        """The version of the head that scores a taste under this embedder; "" for none."""
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record and record.embedder == self.embedder.id else ""

    def ordering_head(self, taste: str) -> str:
        """The version of the head whose scores order a taste; "" for none.

        After a switch of the embedder it is the old one's, which can score nothing new.
        """
        with self.store.read() as txn:
            record = heads.current(txn, taste)
        return record.version if record else ""
