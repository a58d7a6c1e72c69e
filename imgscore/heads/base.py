"""The interface of every head: examples go in, a scorer comes out. Values and protocols only.

Pure: no threads, no clock, no disk (see `files.py`), no printing.
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
"""Labels of each kind that a head needs: cross-validation leaves out one of them at a time."""


class Scores(NamedTuple):
    """Scores of n images.

    score: float32 [n], calibrated probability of keep, in [0, 1]. deviation: float32 [n], standard
    error of the score, in units of the score.
    """

    score: Floats
    deviation: Floats


@dataclass(frozen=True)
class Examples:
    """The data that a head is trained on: n labelled images and m images of the library.

    embeddings: float16 [n, d]. keep: bool [n], True for keep, False for trash.
    background: float16 [m, d], a sample of the library, labelled or not; m may be 0.
    sections: the parts of the d columns; empty means one section.
    embedder: the embedder's id, stored with the head and compared on load.
    extras, background_extras: float32 [n, k] and [m, k], numbers made of traits, NaN where unknown;
    or None.
    groups: int64 [n], equal for near-duplicates (see `groups.py`); or None.
    features: those of the library if they have been computed already (see `library.py`).
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
        """Examples with only `rows` (indices or a mask) of the labelled images."""
        return replace(
            self,
            embeddings=self.embeddings[rows],
            keep=self.keep[rows],
            extras=None if self.extras is None else self.extras[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def check(self) -> None:
        """Raise UsageError if shapes disagree, or if there are fewer than MIN_LABELS of a kind."""
        width = self.embeddings.shape[1]
        if len(self.embeddings) != len(self.keep) or self.background.shape[1:] != (width,):
            raise UsageError(
                f"{len(self.embeddings)} embeddings of {width} numbers do not fit "
                f"{len(self.keep)} labels and a background of shape {self.background.shape}"
            )
        keeps = int(np.count_nonzero(self.keep))
        if min(keeps, len(self.keep) - keeps) < MIN_LABELS:
            raise UsageError(
                f"{keeps} keep and {len(self.keep) - keeps} trash labels are too few to learn from",
                f"label at least {MIN_LABELS} images of each kind",
            )


class Head(Protocol):
    """A trained scorer. It is immutable and deterministic."""

    @property
    def kind(self) -> str:
        """The recipe's name: "kernel" or "mlp"."""

    @property
    def embedder(self) -> str:
        """Id of the embedder whose embeddings it was trained on."""

    @property
    def dimensions(self) -> int:
        """Width d of the embeddings that it scores."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings it was trained with, JSON-able; `Recipe.fit` accepts them."""

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Scores of float16 [n, d], computed in blocks: n may be large, or a memory map."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """(arrays, JSON-able values) from which the recipe's `restore` makes the same head."""


class Fitted(NamedTuple):
    """A head trained on all labels, and the cross-validated scores of the labels.

    held_out: scores [n]; row i comes from training and calibration without the fold of row i.
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
        """Train a head.

        folds: int64 [n]; None makes stratified, grouped folds with a fixed seed. settings: those of
        another head; they replace the choice by cross-validation. Raises UsageError if
        `examples.check` does.
        """

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Head:
        """The head from which `Head.state` made `arrays` and `values`.

        Raises KeyError or ValueError if they do not fit.
        """
