"""The state of a taste: its labels, and whether training or scoring is due.

This module has no side effects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.grades import LabelName, name_of
from imgscore.store.schema import HeadRecord
from imgscore.watches import Watch

# The kind of heads that are made of words, as in heads.recipes. That module is not imported here,
# because the idle daemon must not import numpy.
WORDS = "words"

# The smallest number of keep labels with which a head can be trained. At least the same number of
# trash labels is needed. heads/sides.py has the same number; it is not imported here, because the
# idle daemon must not import numpy.
MIN_LABELS = 2
SIDES: tuple[LabelName, ...] = ("keep", "trash")
# The smallest number of comparisons of two images with which a head can be trained if labels are
# missing. It is that of heads.base.
MIN_COMPARISONS = 10
# The number of new comparisons from which further ones no longer postpone the training, so that a
# person who compares for an hour sees the order improve.
RETRAIN_COMPARISONS = 20
# The longest wait between the last new label and the training, in seconds. If `train_after` is
# larger, the longest wait is `train_after`.
MAX_PATIENCE = 60.0
# The seconds by which each label makes this wait longer. A training on 20 labels takes .3 s of CPU
# time. A training on 1,000 labels, and the new order of a large inbox, take several seconds.
SECONDS_PER_LABEL = 0.01


def patience(count: int, train_after: float) -> float:
    """Return the seconds between the last new label or comparison and the training.

    This wait grows with `count`, the number of labels and comparisons, up to a limit, because the
    training takes longer. `train_after`: the wait if there are none. If it is 0, there is no wait.
    """
    if not train_after:
        return 0.0
    return min(train_after + SECONDS_PER_LABEL * count, max(train_after, MAX_PATIENCE))


def missing_labels(grades: Mapping[float, int]) -> dict[LabelName, int]:
    """Return how many keep and trash labels are still needed before a head can be trained.

    `grades`: the number of labels of each grade. No label is missing if MIN_LABELS labels have a
    higher grade than MIN_LABELS other labels. For example, images with four and five stars are
    enough, although none of them is trash.
    """
    total, lower = sum(grades.values()), 0
    for grade in sorted(grades):
        lower += grades[grade]
        if min(lower, total - lower) >= MIN_LABELS:
            return {}
    counts: dict[LabelName, int] = {
        name: sum(count for grade, count in grades.items() if name_of(grade) == name)
        for name in SIDES
    }
    return {name: MIN_LABELS - count for name, count in counts.items() if count < MIN_LABELS}


class Words(NamedTuple):
    """The words of a taste: descriptions of images that the user likes or dislikes."""

    like: tuple[str, ...]
    dislike: tuple[str, ...]


def words_of(watches: Iterable[Watch], taste: str) -> Words | None:
    """Return the words of all watches with this taste, or None if they have no words."""
    own = [watch for watch in watches if watch.taste == taste]
    like = dict.fromkeys(text for watch in own for text in watch.like)
    dislike = dict.fromkeys(text for watch in own for text in watch.dislike)
    return Words(tuple(like), tuple(dislike)) if like or dislike else None


def words_to_use(words: Words | None, head: HeadRecord | None) -> Words | None:
    """Return `words` if a head must be made of them, else None.

    `head`: the head of the taste under the embedder in use. A head that was trained on labels is
    better than words, and a head that was made of equal words need not be made again.
    """
    if words is None or head is None:
        return words
    made = head.report.get("settings")
    if head.report.get("kind") != WORDS or not isinstance(made, dict):
        return None
    equal = (made.get("like"), made.get("dislike")) == (list(words.like), list(words.dislike))
    return None if equal else words


@dataclass(eq=False)
class TasteState:
    """The labels and comparisons of a taste, and the state of its training and scoring."""

    grades: Mapping[float, int] = field(default_factory=dict)
    """the number of labels of each grade"""
    comparisons: int = 0
    """the number of comparisons of two images that a head can learn from"""
    tried_comparisons: int = 0
    """the value of `comparisons` when the last training began"""
    learns_comparisons: bool = True
    """whether the recipe of the config can learn from comparisons"""
    due: float | None = None
    """the time at which training is due, in monotonic seconds. None means that no training is
    due."""
    training: float | None = None
    """the time at which a worker began to train, in monotonic seconds. None means that no worker
    trains."""
    is_prepared: bool = True
    """whether nothing is left to do for the preparation of the next order; see
    order_preparation.py"""
    progress: tuple[int, int] | None = None
    """the number of finished steps and of all steps of the training, as the worker
    sent them last. None means that the worker has sent no progress yet."""
    scoring: float | None = None
    """the time at which a worker began to score, in monotonic seconds. None means that no worker
    scores."""
    scored: int = 0
    """the number of files that the worker has scored since `scoring`"""
    unscored: bool = False
    may_use_keeps: bool = False
    """whether keep labels alone may make a head as long as trash labels are missing"""
    words: Words | None = None
    """the words of which a head must be made as long as labels are missing. None means that there
    are no words, or that the taste has a head."""
    foreign: bool = False
    """whether the head of the taste was trained under another embedder than the embedder in use"""
    problem: str | None = None
    """the reason why the last training or scoring failed, and the remedy"""

    @property
    def labels(self) -> int:
        """The number of labelled digests."""
        return sum(self.grades.values())

    def count(self, name: LabelName) -> int:
        """Return the number of digests whose label has this name."""
        return sum(count for grade, count in self.grades.items() if name_of(grade) == name)

    @property
    def wants_words(self) -> bool:
        """Return whether a head must be made of words, because labels are missing."""
        return self.words is not None and bool(self.missing) and self.training is None

    @property
    def missing(self) -> str:
        """A text about the labels that are still needed before training, or "" if enough exist.

        Enough comparisons replace the labels. A taste with some comparisons needs more of either.
        """
        missing = missing_labels(self.grades)
        further = MIN_COMPARISONS - self.comparisons
        if not missing or (self.learns_comparisons and further <= 0):
            return ""
        text = " and ".join(f"{count} more {name}" for name, count in missing.items())
        if self.learns_comparisons and self.comparisons:
            text += f", or {further} more comparisons" if further > 1 else ", or 1 more comparison"
        return text

    def postpone(self, now: float, wait: float) -> None:
        """Let the training begin after `wait` seconds without a new label or comparison.

        Many new comparisons do not postpone a training that is already scheduled.
        """
        due = now + wait
        new = abs(self.comparisons - self.tried_comparisons)
        if self.due is not None and new >= RETRAIN_COMPARISONS:
            due = min(due, self.due)
        self.due = due

    def seconds_left(self, now: float) -> float | None:
        """Return the estimated number of seconds until the training ends, or None if unknown.

        `now`: the present time, in monotonic seconds.
        """
        if self.training is None or self.progress is None or not self.progress[0]:
            return None
        done, total = self.progress
        return (now - self.training) * (total - done) / done

    @property
    def wants_training(self) -> bool:
        """Return whether a training is scheduled but has not begun, and enough labels exist."""
        enough = not self.missing or self.uses_keeps
        return self.due is not None and enough and self.training is None

    @property
    def uses_keeps(self) -> bool:
        """Return whether a head must be made of keep labels, because trash labels are missing."""
        alone = self.may_use_keeps and self.words is None and self.count("keep") > 0
        return alone and bool(self.missing)
