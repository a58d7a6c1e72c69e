"""The state of a taste: its labels, and whether it is due for training or scoring. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from imgscore.store.schema import LabelName

# Labels of each kind from which a head can be trained.
MIN_LABELS = 2
# Seconds of quiet at most before training, however many labels there are.
MAX_PATIENCE = 60.0


def patience(count: int, train_after: float) -> float:
    """Seconds without a new label before training: longer with more labels, up to a limit."""
    return min(train_after * (1 + count / 100), max(train_after, MAX_PATIENCE))


def missing_labels(counts: Mapping[LabelName, int]) -> dict[LabelName, int]:
    """How many labels of each kind are still needed before a head can be trained."""
    return {name: MIN_LABELS - count for name, count in counts.items() if count < MIN_LABELS}


@dataclass
class TasteState:
    """The labels of a taste and its training."""

    keep: int = 0
    trash: int = 0
    due: float | None = None
    """monotonic seconds"""
    training: float | None = None
    """since when a worker trains, in monotonic seconds"""
    scoring: float | None = None
    """since when a worker scores, in monotonic seconds"""
    scored: int = 0
    """files scored so far"""
    unscored: bool = False
    foreign: bool = False
    """whether its head is of another embedder"""
    problem: str | None = None
    """why the last training or scoring failed, and what to do"""

    @property
    def labels(self) -> int:
        """How many digests are labelled."""
        return self.keep + self.trash

    @property
    def missing(self) -> str:
        """The labels that are still needed before a head can be trained, in words; "" for none."""
        missing = missing_labels({"keep": self.keep, "trash": self.trash})
        return " and ".join(f"{count} more {name}" for name, count in missing.items())

    @property
    def wants_training(self) -> bool:
        """Whether training is due, now or soon."""
        return self.due is not None and not self.missing and self.training is None
