"""The protocol of the engine's stages. A stage does not call another: it returns effects.

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
    """The conditions of a step. `now`, like all times, is in seconds of the monotonic clock."""

    now: float
    paused: bool = False
    """do only what a client asked for"""
    saving: bool = False
    """save power: index labelled files only, and do not train"""
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
        """Whether the store has everything that training reads, and power need not be saved."""
        return self.reembedded and not self.teaching and not self.saving


@dataclass
class Effects:
    """Results of a stage that concern other stages, which take them in `receive`."""

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
    """One stage of the flow. Its methods do not wait; `Engine.step` waits for answers and times."""

    handles: ClassVar[tuple[type, ...]] = ()
    """the types of tasks whose answers it takes"""
    needs_space: ClassVar[bool] = False
    """whether the engine waits if this stage has work and the store's disk is short of space"""

    @abstractmethod
    def advance(self, conditions: Conditions) -> Effects | None:
        """Do what can be done without waiting, and hand out tasks. Keep it short: some ms.

        Raises StoreError or OSError where the machine fails; it is called again later.
        """

    def take(self, task: AnyTask, answer: Answer) -> Effects | None:
        """Take a worker's answer, or a part of it."""
        return None

    def retry(self, task: AnyTask) -> None:
        """Repeat a task whose answer could not be stored, as on a full disk."""

    def receive(self, effects: Effects) -> None:
        """Take the effects of another stage that concern this one."""

    def next_time(self, conditions: Conditions) -> float | None:
        """When to call `advance` next; None: after an answer or a request."""
        return None

    @property
    def pending(self) -> int:
        """How many pieces of work are due or under way; `imgscore wait` waits for them."""
        return 0


AnyStage = Stage[Any]
