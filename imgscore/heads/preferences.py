"""Labels and comparisons as observations of latent values in a Gaussian process.

Each image has a latent value f, which is Gaussian before the first answer. A label observes f of
one image with Gaussian noise. A comparison observes the difference of f of two images: the better
image wins with the probability sigmoid((f(better) - f(worse)) / scale), as in the model of Bradley
and Terry (1952). The answer "same" counts as half a win of each image.

The posterior of the differences is not Gaussian. Laplace's approximation (Chu and Ghahramani 2005)
replaces each comparison by a Gaussian observation, its site. A comparison is then solved as a label
is, and the head stays a weighted sum of kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.calibration import sigmoid

MAX_STEPS = 30
"""The largest number of Newton steps. The iteration ends earlier if no difference changes by more
than TOLERANCE. This takes 4 to 8 steps."""
TOLERANCE = 1e-3
"""The largest change of a difference in the last Newton step, in units of the scale."""
MIN_CURVATURE = 1e-4
"""The smallest curvature p · (1 - p) of a comparison. A comparison that was certain before its
answer has almost no curvature. Its site would have an infinite variance."""
MAX_STEP = 4.0
"""The largest change of a difference in one Newton step, in units of the scale. A larger step can
overshoot, because the curvature of its start is no longer correct at its end."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The labels and the comparisons of n images.

    `grades`: float64 [l], the grades of the labels. They belong to the first l images.
    `comparisons`: int64 [m, 3], as in base.Examples.
    `weights`: [l], the weights of the labels, or None for equal weights of 1 (see drift.py).
    """

    grades: Matrix
    comparisons: Ints
    weights: Matrix | None = None

    @property
    def count(self) -> int:
        """The number of labels and comparisons, l + m."""
        return len(self.grades) + len(self.comparisons)

    @property
    def evidence(self) -> float:
        """The sum of the weights of all labels and comparisons."""
        return self.count if self.weights is None else float(self.weights.sum())

    @property
    def label_weights(self) -> Matrix:
        """[l]: the weights of the labels."""
        return np.ones(len(self.grades)) if self.weights is None else self.weights

    @property
    def wins(self) -> Matrix:
        """[m]: 1 for a comparison with a better image, and 0.5 for "same"."""
        return wins_of(self.comparisons)

    def observed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return [l + m, k]: `values` [n, k] of labelled images, and differences of compared ones.

        For a comparison, the value of the worse image is subtracted from that of the better image.
        """
        if not len(self.comparisons):
            return values[: len(self.grades)]
        better, worse, _ = self.comparisons.T
        return np.concatenate([values[: len(self.grades)], values[better] - values[worse]])

    def covariance(self, kernel: Matrix) -> Matrix:
        """Return the covariance [l + m, l + m] of the observed values, without noise.

        `kernel`: [n, n], the covariance of the latent values of the images.
        """
        if not len(self.comparisons):
            return kernel
        return self.observed(self.observed(kernel).T)

    def image_weights(self, weights: Matrix, images: int) -> Matrix:
        """Return the weights [n, k] of the images from weights [l + m, k] of the answers.

        The weight of a comparison is added to that of the better image, and subtracted from that of
        the worse image. `images`: n.
        """
        if not len(self.comparisons):
            return weights
        labels = len(self.grades)
        spread = np.zeros((images, weights.shape[1]))
        spread[:labels] = weights[:labels]
        np.add.at(spread, self.comparisons[:, 0], weights[labels:])
        np.subtract.at(spread, self.comparisons[:, 1], weights[labels:])
        return spread

    def touching(self, rows: Bools) -> Ints:
        """Return the answers that concern one of the images `rows`, bool [n], as numbers of rows.

        A comparison concerns two images.
        """
        better, worse, _ = self.comparisons.T
        return np.flatnonzero(
            np.concatenate([rows[: len(self.grades)], rows[better] | rows[worse]])
        )


class Sites(NamedTuple):
    """Gaussian observations that replace answers: observed values, and variances of their noise."""

    targets: Matrix
    noise: Matrix


def wins_of(comparisons: Ints) -> Matrix:
    """Return [m]: 1 for a comparison with a better image, and 0.5 for "same"."""
    return np.where(comparisons[:, 2] > 0, 0.5, 1.0)


def sites_of(answers: Answers, covariance: Matrix, noise: Matrix, scale: float) -> Sites:
    """Return the Sites at the mode of the posterior, which Newton's method finds.

    `covariance`: [l + m, l + m], see Answers.covariance. `noise`: [l], the variances of the noise
    of the labels. `scale`: the scale of a comparison, in units of f.
    """
    labels = len(answers.grades)
    targets = 2 * answers.grades - 1
    if not len(answers.comparisons):
        return Sites(targets, noise)

    def mode(sites: Sites) -> Matrix:
        solved = np.linalg.solve(
            covariance + np.diag(np.concatenate([noise, sites.noise])),
            np.concatenate([targets, sites.targets]),
        )
        return np.asarray(covariance[labels:] @ solved)

    sites = newton(answers.wins, scale, mode)
    return Sites(np.concatenate([targets, sites.targets]), np.concatenate([noise, sites.noise]))


def newton(wins: Matrix, scale: float, mode: Callable[[Sites], Matrix]) -> Sites:
    """Return the sites [m] of the comparisons at the mode of the posterior.

    `wins`: [m], see Answers.wins. `scale`: the scale of a comparison, in units of f. `mode`: a
    function that returns the differences [m] that are most probable with given sites.
    """
    difference = np.zeros(len(wins))
    for _ in range(MAX_STEPS):
        step = mode(_sites_at(difference, wins, scale)) - difference
        largest = float(np.abs(step).max())
        difference = difference + step * min(1.0, MAX_STEP * scale / max(largest, 1e-12))
        if largest <= TOLERANCE * scale:
            break
    return _sites_at(difference, wins, scale)


def _sites_at(difference: Matrix, wins: Matrix, scale: float) -> Sites:
    """Return the sites of comparisons whose differences are `difference` [m]."""
    chance = sigmoid(difference / scale)
    curvature = np.maximum(chance * (1 - chance), MIN_CURVATURE)
    return Sites(difference + scale * (wins - chance) / curvature, scale**2 / curvature)
