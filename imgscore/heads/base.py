"""The interface of every head: a head is trained on examples and then scores images.

This module contains only values and protocols. It uses no threads, no clock and no disk, and it
prints nothing. `files.py` saves and loads heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.errors import UsageError
from imgscore.grades import UNDECIDED
from imgscore.heads.arrays import Bools, Floats, Half, Ints
from imgscore.heads.features import Features
from imgscore.heads.library_nodes import LibraryNodes
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side

MIN_COMPARISONS = 10
"""The smallest number of comparisons that a head needs if it has too few labels. Ten folds need ten
answers. The rank correlation of an order from ten answers is about 0.4 (bench/LEARNING.md)."""


class Scores(NamedTuple):
    """The scores of n images.

    `score`: float32 [n], the expected grade, from 0 to 1. If all labels are keep or trash, this is
    the calibrated probability of keep.
    `deviation`: float32 [n], the standard error of the score, in units of the score.
    """

    score: Floats
    deviation: Floats


@dataclass(frozen=True)
class Examples:
    """The data that a head is trained on: n labelled images and m images of the library.

    `embeddings`: float16 [n, d], the embeddings of the labelled images.
    `grades`: float32 [n], the grade of each label, from 0 (trash) to 1 (keep).
    `background`: float16 [m, d], the embeddings of a sample of the library. The sample may contain
    labelled images, and m may be 0.
    `sections`: the sections (named parts) of the d columns. If the sequence is empty, all columns
    are one section.
    `embedder`: the id of the embedder. The id is stored with the head, and it is checked when the
    head is loaded.
    `extras`, `background_extras`: float32 [n, k] and [m, k], k numbers that are computed from the
    traits of each image (see `extras.py`), or None. NaN means that a number is unknown.
    `groups`: int64 [n], the group number of each image, or None. Images with equal numbers must be
    in one fold (see `groups.fold_groups`).
    `copies`: int64 [n], the group number of each image, or None. Near-duplicates have equal numbers
    (see `groups.near_duplicates`).
    `features`: the Features that are fitted to the library (see `library.py`). None means that they
    are not computed yet.
    `projected`: float32 [n + c, r], the result of `features.projected` for the labelled and the
    compared images, or None if it is not computed yet.
    `library`: the nodes and graphs of the library. None means that they are not computed yet. If
    they are known, `background` may be empty.
    `comparisons`: int64 [p, 3], the answers to "which of these two images?": the row of the better
    image, the row of the worse image, and 1 if both are equally good, else 0. Row i < n is labelled
    image i, and row n + i is image i of `compared`.
    `compared`, `compared_extras`, `compared_groups`: float16 [c, d], float32 [c, k] and int64 [c],
    the embeddings, extras and groups of the compared images that have no label.
    `times`: int64 [n], the time of each label, in ns, or None. A recipe can use them to give recent
    labels more weight (see drift.py).
    """

    embeddings: Half
    grades: Floats
    background: Half
    sections: Sequence[Section] = ()
    embedder: str = ""
    extras: Floats | None = None
    background_extras: Floats | None = None
    groups: Ints | None = None
    copies: Ints | None = None
    features: Features | None = None
    projected: Floats | None = None
    library: LibraryNodes | None = None
    comparisons: Ints = field(default_factory=lambda: np.empty((0, 3), np.int64))
    compared: Half | None = None
    compared_extras: Floats | None = None
    compared_groups: Ints | None = None
    times: Ints | None = None

    def __len__(self) -> int:
        return len(self.grades)

    @property
    def keep(self) -> Bools:
        """bool [n]: True for each label above 0.5, which is the name keep."""
        return np.asarray(self.grades > UNDECIDED)

    @property
    def trash(self) -> Bools:
        """bool [n]: True for each label below 0.5, which is the name trash."""
        return np.asarray(self.grades < UNDECIDED)

    @property
    def upper(self) -> Bools:
        """bool [n]: True for each label of the upper side; see sides.py."""
        return upper_side(self.grades)

    def take(self, rows: NDArray[Any]) -> Examples:
        """Return Examples that contain only `rows` of the labelled images.

        `rows`: the indices of the images, or a bool mask. A comparison with another labelled image
        is left out.
        """
        taken = np.arange(len(self))[rows]
        others = 0 if self.compared is None else len(self.compared)
        kept = np.concatenate([taken, len(self) + np.arange(others)])
        place = np.full(len(self) + others, -1)
        place[kept] = np.arange(len(kept))
        pairs = place[self.comparisons[:, :2]]
        complete = (pairs >= 0).all(axis=1)
        return replace(
            self,
            embeddings=self.embeddings[rows],
            grades=self.grades[rows],
            extras=None if self.extras is None else self.extras[rows],
            groups=None if self.groups is None else self.groups[rows],
            projected=None if self.projected is None else self.projected[kept],
            copies=None if self.copies is None else self.copies[rows],
            times=None if self.times is None else self.times[rows],
            comparisons=np.column_stack([pairs, self.comparisons[:, 2]])[complete],
        )

    @property
    def all_embeddings(self) -> Half:
        """float16 [n + c, d]: the embeddings of the labelled and of the compared images."""
        if self.compared is None:
            return self.embeddings
        return np.concatenate([self.embeddings, self.compared])

    @property
    def all_extras(self) -> Floats | None:
        """float32 [n + c, k]: the extras of the labelled and of the compared images, or None."""
        if self.extras is None or self.compared is None:
            return self.extras
        unknown = np.full((len(self.compared), self.extras.shape[1]), np.nan, np.float32)
        others = unknown if self.compared_extras is None else self.compared_extras
        return np.concatenate([self.extras, others])

    @property
    def all_groups(self) -> Ints:
        """int64 [n + c]: the group number of each labelled and each compared image."""
        others = 0 if self.compared is None else len(self.compared)
        if self.groups is None or (others and self.compared_groups is None):
            return np.arange(len(self) + others)
        if self.compared_groups is None:
            return self.groups
        return np.concatenate([self.groups, self.compared_groups])

    @property
    def is_calibrated(self) -> bool:
        """Return whether the labels can calibrate scores: each side has at least MIN_SIDE labels.

        Comparisons alone give an order of the images, but no grades.
        """
        return smaller_side(self.upper) >= MIN_SIDE

    def check(self, *, labels: bool = False) -> None:
        """Raise UsageError if the shapes do not match or if there are too few labels.

        At least MIN_SIDE labels must have a higher grade than MIN_SIDE other labels, or there must
        be at least MIN_COMPARISONS comparisons. `labels`: whether comparisons do not count.
        """
        width = self.embeddings.shape[1]
        if len(self.embeddings) != len(self.grades) or self.background.shape[1:] != (width,):
            raise UsageError(
                f"the shapes do not match: {len(self.embeddings)} embeddings of {width} numbers, "
                f"{len(self.grades)} labels, unlabelled embeddings of shape {self.background.shape}"
            )
        if not self.is_calibrated and (labels or len(self.comparisons) < MIN_COMPARISONS):
            keeps, trashes = int(self.keep.sum()), int(self.trash.sum())
            undecided = len(self) - keeps - trashes
            counts = f"{keeps} keep, " + (f"{undecided} undecided, " if undecided else "")
            raise UsageError(
                f"there are too few labels: {counts}{trashes} trash",
                f"label at least {MIN_SIDE} images with keep, and {MIN_SIDE} with trash"
                + ("" if labels else f", or compare at least {MIN_COMPARISONS} pairs"),
            )


OnProgress = Callable[[int, int], None]
"""The type of a function that is called during a training with the number of finished steps and the
number of all steps."""


def no_progress(done: int, total: int) -> None:
    """Ignore the progress of a training."""


class Head(Protocol):
    """A trained scorer of images. A head is immutable and deterministic."""

    @property
    def kind(self) -> str:
        """The name of the recipe that made the head: "kernel" or "mlp"."""

    @property
    def embedder(self) -> str:
        """The id of the embedder whose embeddings the head was trained on."""

    @property
    def dimensions(self) -> int:
        """The width d of the embeddings that the head scores."""

    @property
    def uses_names(self) -> bool:
        """Whether the head uses the vectors of file names in the columns behind the traits."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The JSON-able settings that the head was trained with. `Recipe.fit` accepts them."""

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Return the scores of embeddings float16 [n, d].

        `extras`: float32 [n, k], numbers that are computed from traits, or None. If the head uses
        names, the vectors of the file names follow in further columns.

        The scores are computed in blocks. n may therefore be large, and the embeddings may be a
        memory map.
        """

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return arrays and JSON-able values that describe the head completely.

        The recipe's `restore` makes an equal head from these arrays and values.
        """


class Fitted(NamedTuple):
    """A head that was trained on all labels, with cross-validated scores of these labels.

    `held_out`: the scores [n] of the labelled images. The score of image i is computed by a head
    that was trained and calibrated without the fold of image i.
    `folds`: int64 [n + c], the fold number of each labelled image and of each compared image.
    Near-duplicates of each other are in one fold.
    `comparison_odds`: float32 [p], the log-odds that the better image of a comparison is better.
    They come from heads that were trained without the folds of the two images. They are 0 if the
    recipe does not use comparisons.
    `recency`: float64 [n], the weights of the labels if the taste has changed, or None.
    """

    head: Head
    held_out: Scores
    folds: Ints
    comparison_odds: Floats = np.empty(0, np.float32)
    recency: NDArray[np.float64] | None = None


class Recipe(Protocol):
    """A method to train a head."""

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Fitted:
        """Train a head, and return it with the cross-validated scores.

        `folds`: int64 [n + c], the fold of each labelled image and of each compared image. None
        means that the folds are made by `groups.split`.
        `settings`: the settings of another head, which are used unchanged. None means that
        cross-validation chooses the settings.
        `on_progress`: is called with the progress, if the training takes long.

        Raises UsageError if the shapes do not match or if there are too few labels.
        """

    def fit_head(self, examples: Examples, settings: Mapping[str, Any] | None = None) -> Head:
        """Train a head on all labels, and nothing else: the caller needs no held-out scores.

        The parameters and errors are those of `fit`.
        """

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Head:
        """Return the head from which `Head.state` made `arrays` and `values`.

        Raises KeyError or ValueError if the arrays and values do not describe a head.
        """
