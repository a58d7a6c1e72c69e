"""The trait kernel: a Gaussian process whose function is a sum of one curve for each trait.

The kernel of two images is the mean of exp(-(x - y)² / 2) over the traits. x and y are the ranks of
the two images by a trait, in standard deviations of all ranks of the library. This is an additive
kernel of first order (Duvenaud, Nickisch and Rasmussen 2011). A head with this kernel is a
generalised additive model: for each trait, a curve maps the rank to a change of the log-odds.

The curves are linear between knots. The kernel is computed from its values at the knots, so that a
curve gives exactly the values of the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats
from imgscore.heads.checks import require
from imgscore.heads.extras import NAMES

MAX_RANK = 3**0.5
"""The rank of the largest value, in standard deviations of all ranks. Ranks are uniform, from
-MAX_RANK to MAX_RANK."""
KNOTS = 17
"""The number of knots of a curve. Their distance is a fifth of a standard deviation. A curve
changes over about one standard deviation."""
POINTS = 33
"""The number of values of a trait whose ranks are stored. Ranks between them are interpolated, to a
thirtieth of the library."""
MIN_EIGENVALUE = 1e-3
"""The smallest eigenvalue that `trait_rows` uses, as a share of the largest one. Directions with
smaller eigenvalues are changes over much less than a standard deviation."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class TraitScale:
    """The ranks of the values of k traits in a library.

    `values`, `ranks`: float32 [k, POINTS], ascending values of each trait, and their ranks.
    """

    values: Floats
    ranks: Floats

    @classmethod
    def of(cls, extras: Floats) -> TraitScale:
        """Return the ranks in a library with extras float32 [m, k or more].

        Equal values have their mean rank. Columns behind the traits are not used.
        """
        columns = [_points(column) for column in extras.T[: len(NAMES)].astype(np.float64)]
        values, ranks = zip(*columns, strict=True) if columns else ((), ())
        shape = (len(columns), POINTS)
        return cls(
            np.array(values, np.float32).reshape(shape), np.array(ranks, np.float32).reshape(shape)
        )

    def __call__(self, extras: Floats | None, count: int) -> Floats:
        """Return the ranks float32 [count, k]. Unknown traits, or all of them, have the rank 0."""
        ranks = np.zeros((count, len(self.values)), np.float32)
        if extras is not None:
            for number, (values, points) in enumerate(zip(self.values, self.ranks, strict=True)):
                column = extras[:, number]
                known = np.isfinite(column)
                ranks[known, number] = np.interp(column[known], values, points)
        return ranks


@dataclass(frozen=True)
class TraitCurves:
    """The part of a head that depends on the traits.

    `curves`: float32 [k, KNOTS, c], the values of each curve at its knots, for c functions.
    """

    scale: TraitScale
    curves: Floats

    def __call__(self, extras: Floats | None, count: int) -> Floats:
        """Return the sums float32 [count, c] of the curves for images with these extras."""
        place = (self.scale(extras, count) + MAX_RANK) * ((KNOTS - 1) / (2 * MAX_RANK))
        knot = np.clip(place.astype(np.int64), 0, KNOTS - 2)
        share = (place - knot)[:, :, None]
        trait = np.arange(len(self.curves))
        values = self.curves[trait, knot] * (1 - share) + self.curves[trait, knot + 1] * share
        return np.asarray(values.sum(axis=1), np.float32)

    def times(self, factor: float) -> TraitCurves:
        """Return these curves, multiplied by a factor."""
        return TraitCurves(self.scale, (self.curves * factor).astype(np.float32))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays from which `restore` makes equal curves."""
        return {
            "trait_values": self.scale.values,
            "trait_ranks": self.scale.ranks,
            "curves": self.curves,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], columns: int) -> TraitCurves | None:
        """Return the curves in the arrays of a head, or None if the head has none.

        `columns`: the number c of functions. Raises ValueError if the shapes do not fit.
        """
        if "curves" not in arrays:
            return None
        values, ranks, curves = (arrays[name] for name in ("trait_values", "trait_ranks", "curves"))
        require(values.ndim == 2 and 0 < len(values) <= len(NAMES), "there are too many curves")
        require(values.shape == ranks.shape == (len(values), POINTS), "the ranks do not fit")
        require(curves.shape == (len(values), KNOTS, columns), "the curves do not fit")
        require(bool((np.abs(ranks) <= MAX_RANK + 1e-3).all()), "a rank is out of bounds")
        require(bool((np.diff(values) >= 0).all()), "the values of a trait are not ascending")
        require(curves.dtype == np.float32, "the curves are not float32")
        return cls(TraitScale(values, ranks), curves)


def knot_weights(ranks: Floats) -> Matrix:
    """Return [k, n, KNOTS], the weights of the knots for ranks float32 [n, k].

    A kernel of one trait is `weights @ BETWEEN_KNOTS @ weights.T`.
    """
    return np.array([_hats(column) for column in ranks.T]).reshape(-1, len(ranks), KNOTS)


def trait_kernel(first: Matrix, second: Matrix) -> Matrix:
    """Return the additive kernel [n, m] of knot weights [k, n, KNOTS] and [k, m, KNOTS]."""
    kernel = np.zeros((first.shape[1], second.shape[1]))
    for left, right in zip(first, second, strict=True):
        kernel += left @ BETWEEN_KNOTS @ right.T
    return np.asarray(kernel / max(len(first), 1))


def curves_of(knots: Matrix, weights: Matrix) -> Floats:
    """Return the curves float32 [k, KNOTS, c] of the functions Σ weight · kernel(image, ·).

    `knots`: [k, n, KNOTS], the knot weights of n images. `weights`: [k, n, c], the weights of the
    images in the kernel of each trait, for c functions.
    """
    return np.array(BETWEEN_KNOTS @ (knots.transpose(0, 2, 1) @ weights), np.float32)


def trait_rows(ranks: Floats) -> Floats:
    """Return rows float32 [n, k · r], whose products are about the kernel of the images."""
    root = _root(ranks.shape[1])
    return np.hstack([(_hats(column) @ root).astype(np.float32) for column in ranks.T])


def curves_of_rows(coefficients: Matrix, traits: int) -> Floats:
    """Return the curves float32 [traits, KNOTS, c] of coefficients [traits · r, c] of rows."""
    root = _root(traits)
    parts = coefficients.reshape(traits, root.shape[1], -1)
    return np.asarray(np.einsum("kr,trc->tkc", root, parts), np.float32)


def _root(traits: int) -> Matrix:
    """Return [KNOTS, r], the main directions of the kernel at the knots."""
    values, vectors = np.linalg.eigh(BETWEEN_KNOTS)
    kept = values > MIN_EIGENVALUE * values[-1]
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept] / max(traits, 1)))


def _hats(ranks: Floats) -> Matrix:
    """Return the weights [n, KNOTS] of the knots at ranks [n]: linear interpolation."""
    place = (np.asarray(ranks, np.float64) + MAX_RANK) * ((KNOTS - 1) / (2 * MAX_RANK))
    return np.asarray(np.maximum(1 - np.abs(place[:, None] - np.arange(KNOTS)), 0))


def _points(column: Matrix) -> tuple[Matrix, Matrix]:
    """Return POINTS ascending values of a trait [m], and their ranks."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    if not len(values):
        return np.zeros(POINTS), np.zeros(POINTS)
    below = np.cumsum(counts)
    ranks = ((2 * below - counts) / below[-1] - 1) * MAX_RANK
    chosen = np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], POINTS))
    # A trait with few values has repeated points at the end.
    chosen = np.unique(np.minimum(chosen, len(values) - 1))
    chosen = np.pad(chosen, (0, POINTS - len(chosen)), mode="edge")
    return values[chosen], ranks[chosen]


_POSITIONS = np.linspace(-MAX_RANK, MAX_RANK, KNOTS)
BETWEEN_KNOTS: Matrix = np.exp(-0.5 * (_POSITIONS[:, None] - _POSITIONS) ** 2)
"""[KNOTS, KNOTS]: the kernel of one trait between its knots."""
