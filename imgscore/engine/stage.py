"""The protocol of the engine's stages. Stages do not call each other: they return effects.

To add a new kind of task for the workers, write its message and its handler in imgscore/workers.
Then write its stage in this folder, and add the stage to `Engine.stages`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from imgscore.store.schema import FileAt
from imgscore.workers.messages import Answer


@dataclass(frozen=True)
class Conditions:
    """The conditions of one step of the engine.

    All times, including `now`, are in seconds of the monotonic clock.
    """

    now: float
    paused: bool = False
    """whether only work that a client asked for may be done"""
    saving: bool = False
    """whether to save power: only labelled files are indexed, and no head is trained"""
    indexing: bool = False
    """whether files wait for a worker, are with a worker, or wait to be stored"""
    teaching: bool = False
    """whether labelled files are among the files of `indexing`"""
    reembedded: bool = True
    """whether every file that can be reached has a vector under the embedder in use"""
    idle: bool = False
    """whether no work is pending"""

    @property
    def may_train(self) -> bool:
        """Return whether training may begin now.

        Training waits until all its data is in the store. It also waits while power is saved.
        """
        return self.reembedded and not self.teaching and not self.saving


@dataclass
class Effects:
    """The results of a stage that concern other stages. The method `receive` accepts them."""

    changed: set[bytes] = field(default_factory=set)
    """the paths of files that differ from their record in the store, and must be indexed again"""
    trash_changed: bool = False
    """whether files have disappeared. They may be in the desktop's trash."""
    new_files: dict[bytes, set[bytes]] = field(default_factory=dict)
    """a map from each inbox that may be out of order to its new or changed files"""
    relearn: set[str] = field(default_factory=set)
    """the tastes with a new label"""
    unscored: set[str] = field(default_factory=set)
    """the tastes with a file that has no score under the present head"""
    reorder: set[str] = field(default_factory=set)
    """the tastes whose files have new scores"""
    restore: set[FileAt] = field(default_factory=set)
    """the files that left the inbox and whose original date must be restored"""

    def __bool__(self) -> bool:
        """Return whether there is any effect."""
        return any(vars(self).values())

    def __str__(self) -> str:
        """Return the names and sizes of the effects, for the log."""
        parts = ((name, value) for name, value in vars(self).items() if value)
        return ", ".join(
            f"{name} {len(value) if isinstance(value, Sized) else ''}".rstrip()
            for name, value in parts
        )


AnyTask = TypeVar("AnyTask")


class Stage(ABC, Generic[AnyTask]):
    """One stage of the work. Its methods do not wait: only `Engine.step` waits."""

    handles: ClassVar[tuple[type, ...]] = ()
    """the types of the tasks whose answers are passed to this stage"""
    needs_space: ClassVar[bool] = False
    """whether a shortage of disk space stops the engine while this stage has work"""

    @abstractmethod
    def advance(self, conditions: Conditions) -> Effects | None:
        """Do the work that needs no waiting, and send tasks to workers. Return after a few ms.

        Raises StoreError or OSError if the machine fails. The engine then calls `advance` again
        later.
        """

    def take(self, task: AnyTask, answer: Answer) -> Effects | None:
        """Process a worker's answer, or a part of an answer."""
        return None

    def retry(self, task: AnyTask) -> None:
        """Repeat a task whose answer could not be stored, for example because the disk is full."""

    def receive(self, effects: Effects) -> None:
        """Process those effects of another stage that concern this stage."""

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time of the next call of `advance`.

        None means that `advance` is called only after an answer or a request.
        """
        return None

    @property
    def pending(self) -> int:
        """The number of pieces of work that are due or have begun.

        `imgscore wait` waits until all stages have none.
        """
        return 0


AnyStage = Stage[Any]
