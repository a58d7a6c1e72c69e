"""The base class of the engine's stages. Stages do not call each other: they return effects.

To add a new kind of task for the workers, write its message and its handler in imgscore/workers.
Then write its stage in this folder, and add the stage to `Engine.stages`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from imgscore.engine.label_change import LabelChange
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
    """whether the machine saves power. If it does, no head is trained. Only files in keep and trash
    folders, and files that a client asked for, are indexed."""
    indexing: bool = False
    """whether any file waits for a worker, is processed by a worker, or waits for a commit"""
    reconciled: bool = False
    """whether every known change of a file is compared with the store"""
    teaching: bool = False
    """whether any file of a keep or trash folder waits for indexing or is being indexed"""
    reembedded: bool = True
    """whether every file that exists in a watched folder has a vector or a failure under the
    embedder in use"""
    idle: bool = False
    """whether no stage has unfinished work"""

    @property
    def may_train(self) -> bool:
        """Return whether training may begin now.

        Training waits until all labelled files are indexed and have a vector. It also waits while
        the machine saves power.
        """
        return self.reembedded and not self.teaching and not self.saving


@dataclass
class Effects:
    """The results of one stage that matter for other stages.

    Every stage gets these results through `receive`.
    """

    changed: set[bytes] = field(default_factory=set)
    """the paths of files that differ from their record in the store, and must be indexed again"""
    trash_changed: bool = False
    """whether files have disappeared. They may now be in the desktop's trash."""
    new_files: dict[bytes, set[bytes]] = field(default_factory=dict)
    """a map from an inbox to its new or changed files. The inbox may be out of order."""
    unrated: set[bytes] = field(default_factory=set)
    """the paths of new or changed images whose ratings must be read"""
    sidecars: set[bytes] = field(default_factory=set)
    """the paths of .xmp sidecars that are new, changed or deleted"""
    label_changes: list[LabelChange] = field(default_factory=list)
    """the labels that were set or cleared because of the places of files"""
    relearn: set[str] = field(default_factory=set)
    """the tastes whose labels have changed"""
    unscored: set[str] = field(default_factory=set)
    """the tastes that have a file without a score from the head in use"""
    reorder: set[str] = field(default_factory=set)
    """the tastes whose files have new scores"""
    regrouped: set[bytes] = field(default_factory=set)
    """the digests of images whose group or quality has changed"""
    restore: set[FileAt] = field(default_factory=set)
    """the files that left the inbox and whose original date must be restored"""

    def merge(self, other: "Effects") -> None:
        """Add the labels, tastes and sidecars of other effects of the stage to these effects."""
        self.sidecars |= other.sidecars
        self.label_changes += other.label_changes
        self.relearn |= other.relearn
        self.trash_changed |= other.trash_changed

    def __bool__(self) -> bool:
        """Return whether any field contains an effect."""
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
    """The base class of a stage. The methods of a stage do not wait: only `Engine.step` waits."""

    handles: ClassVar[tuple[type, ...]] = ()
    """the types of the tasks whose answers are passed to this stage"""
    needs_space: ClassVar[bool] = False
    """whether the engine must stop if this stage has work and the disk is nearly full"""

    @abstractmethod
    def advance(self, conditions: Conditions) -> Effects | None:
        """Do the work that needs no waiting, and send tasks to workers. Return after a few ms.

        After any error, for example because the disk is full, the engine calls `recover` now and
        `advance` later. An error of one stage does not stop the other stages.
        """

    def take(self, task: AnyTask, answer: Answer) -> Effects | None:
        """Process a worker's answer, or a part of an answer."""
        return None

    def retry(self, task: AnyTask) -> None:
        """Repeat a task whose answer could not be stored, for example because the disk is full."""

    def recover(self) -> None:
        """Prepare the next try after `advance` has raised an error."""

    def receive(self, effects: Effects) -> None:
        """Process those effects of another stage that concern this stage."""

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time at which the engine must call `advance` again, in monotonic seconds.

        None means that `advance` is called only after an answer or a request.
        """
        return None

    @property
    def owners(self) -> Iterable[object]:
        """The owners of the problems that keep this stage from its work."""
        return (self,)

    @property
    def pending(self) -> int:
        """The number of unfinished pieces of work.

        `imgscore wait` waits until this number is 0 for all stages.
        """
        return 0


AnyStage = Stage[Any]
