"""What the engine's stages have in common. A stage knows no other: it returns effects instead.

To add a task for the workers: its message and handler in imgscore/workers, its stage here, and the
stage's place in `Engine.stages`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from imgscore.store.schema import FileAt
from imgscore.workers.messages import Answer


@dataclass(frozen=True)
class Conditions:
    """What a stage may do in this step. `now`: seconds of the monotonic clock, as all times."""

    now: float
    paused: bool = False
    """do only what a client asked for"""
    saving: bool = False
    """save power: index only files that teach, and do not train"""
    indexing: bool = False
    """whether files are queued for workers, or held by them"""
    teaching: bool = False
    """whether labelled files are among these"""
    reembedded: bool = True
    """whether every file that can be reached has a vector under the embedder in use"""
    idle: bool = False
    """whether nothing is pending"""

    @property
    def may_train(self) -> bool:
        """Whether all that training would read is in the store, and power may be spent."""
        return self.reembedded and not self.teaching and not self.saving


@dataclass
class Effects:
    """What follows from a stage's work for other stages; each takes its part in `receive`."""

    changed: set[bytes] = field(default_factory=set)
    """paths that are not as the store has them: index them again"""
    trash_changed: bool = False
    """files have gone, perhaps into the desktop's trash"""
    new_files: dict[bytes, set[bytes]] = field(default_factory=dict)
    """inboxes whose order may be off, and the files that came or changed there"""
    relearn: set[str] = field(default_factory=set)
    """tastes with a new label"""
    unscored: set[str] = field(default_factory=set)
    """tastes with a file that has no score under the current head"""
    reorder: set[str] = field(default_factory=set)
    """tastes whose files have other scores now"""
    restore: set[FileAt] = field(default_factory=set)
    """files that left the inbox and get their own date back"""

    def __bool__(self) -> bool:
        """Whether anything follows."""
        return any(vars(self).values())

    def __str__(self) -> str:
        """The counts, for the log."""
        parts = ((name, value) for name, value in vars(self).items() if value)
        return ", ".join(
            f"{name} {len(value) if isinstance(value, Sized) else ''}".rstrip()
            for name, value in parts
        )


AnyTask = TypeVar("AnyTask")


class Stage(ABC, Generic[AnyTask]):
    """One stage of the flow. No method waits: `Engine.step` does, for answers or the next time."""

    handles: ClassVar[tuple[type, ...]] = ()
    """the tasks whose answers it takes"""
    needs_space: ClassVar[bool] = False
    """whether its pending work stops the engine while the store's disk is short of space"""

    @abstractmethod
    def advance(self, conditions: Conditions) -> Effects | None:
        """Do what can be done without waiting, and hand out tasks. Keep it short: some ms.

        Raises StoreError or OSError where the machine fails; it is called again later.
        """

    def take(self, task: AnyTask, answer: Answer) -> Effects | None:
        """Take a worker's answer, or a part of it."""
        return None

    def retry(self, task: AnyTask) -> None:
        """The answer could not be stored, as on a full disk: have the task done again."""

    def receive(self, effects: Effects) -> None:
        """Take what concerns this stage of another's effects."""

    def next_time(self, conditions: Conditions) -> float | None:
        """When `advance` has something to do; None while it waits for an answer or a request."""
        return None

    @property
    def pending(self) -> int:
        """How many pieces of work are due or under way. `imgscore wait` waits until it is 0."""
        return 0


AnyStage = Stage[Any]
