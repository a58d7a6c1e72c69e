"""What every head is: examples in, a scorer out. Values and protocols only.

Pure: no thread, no clock, no disk (see files.py), no printing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.errors import UsageError
from imgscore.heads.arrays import Bools, Floats, Half, Ints
from imgscore.heads.features import Features

MIN_LABELS = 2
"""Labels of each kind below which no head is trained."""


class Scores(NamedTuple):
    """`score` float32 [n]: calibrated probability of keep, in [0, 1].
    `deviation` float32 [n]: one standard deviation of the score's own noise, in score units."""

    score: Floats
    deviation: Floats


@dataclass(frozen=True)
class Examples:
    """What a head learns from. Rows of `embeddings`, `keep`, `groups` and `extras` belong together.

    embeddings: float16 [n, d], labelled images.
    keep: bool [n], True for keep, False for trash.
    background: float16 [m, d], a sample of the whole library, labelled or not (m may be 0).
    sections: what the d columns are; empty means one section.
    embedder: the embedder's id, carried into the head and checked on load.
    extras, background_extras: float32 [n, k], [m, k] or None: traits, NaN where unknown.
    groups: int64 [n] or None: images with one number are near-duplicates (see groups.py).
    features: those of the library (see library.of_library), where they are known already.
    """

    embeddings: Half
    keep: Bools
    background: Half
    sections: Sequence[Section] = ()
    embedder: str = ""
    extras: Floats | None = None
    background_extras: Floats | None = None
    groups: Ints | None = None
    features: Features | None = None

    def __len__(self) -> int:
        return len(self.keep)

    def take(self, rows: NDArray[Any]) -> Examples:
        """The same examples with only `rows` (indices or mask) labelled."""
        return replace(
            self,
            embeddings=self.embeddings[rows],
            keep=self.keep[rows],
            extras=None if self.extras is None else self.extras[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def check(self) -> None:
        """Raise UsageError where shapes disagree or too few labels exist."""
        width = self.embeddings.shape[1]
        if len(self.embeddings) != len(self.keep) or self.background.shape[1:] != (width,):
            raise UsageError("embeddings, labels and background do not belong together")
        keeps = int(np.count_nonzero(self.keep))
        least = min(keeps, len(self.keep) - keeps)
        if least < MIN_LABELS:
            raise UsageError(
                f"{keeps} keep and {len(self.keep) - keeps} trash labels are too few to learn from",
                f"label at least {MIN_LABELS} images of each kind",
            )


class Head(Protocol):
    """A trained scorer. Immutable; the same arrays give the same scores."""

    @property
    def kind(self) -> str:
        """The recipe's name: "kernel", "mlp"."""

    @property
    def embedder(self) -> str:
        """Id of the embedder whose embeddings it was trained on."""

    @property
    def dimensions(self) -> int:
        """Width d of the embeddings it scores."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The choices made in training, JSON-able; `Recipe.fit` accepts them again."""

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Scores of float16 [n, d], read in blocks: any n, also a memory map."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """(arrays, JSON-able values) from which the recipe's `restore` makes the same head."""


class Fitted(NamedTuple):
    """A head trained on all labels, and what like heads said of each label without having seen it.

    held_out: scores [n]; row i comes from labels of other folds than i's, calibration included.
    folds: int64 [n], the fold of each row; near-duplicates share one.
    """

    head: Head
    held_out: Scores
    folds: Ints


class Recipe(Protocol):
    """A way to train a head."""

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train. `folds` None: stratified, grouped, seeded. `settings` of another head fix the
        choices that are otherwise made by cross-validation. UsageError below LEAST_LABELS."""

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Head:
        """The head that `Head.state` described; KeyError or ValueError where it does not fit."""
