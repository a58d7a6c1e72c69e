"""Choose the traits whose kernels a training with few labels tries one by one.

A taste often depends on one trait. The additive kernel of all traits (see trait_curves.py) needs
many labels to exclude the others. For each trait, the marginal likelihood of the labels is computed
in a process of the similarity and of this trait (Rasmussen and Williams 2006, 5.8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.trait_curves import BETWEEN_KNOTS

MAX_CHOSEN = 3
"""The number of traits that are tried one by one. With all of them, the error is less than 1 %
smaller, and the training takes twice as long."""
MAX_LABELS = 300
"""The largest number of labels with which single traits are tried. More labels show by themselves
which traits of the additive kernel matter."""

Matrix = NDArray[np.float64]


def single_kernel(knots: Matrix) -> Matrix:
    """Return the kernel [n, n] of one trait from the knot weights [n, KNOTS] of n images."""
    return np.asarray(knots @ BETWEEN_KNOTS @ knots.T)


def probable_traits(base: Matrix, knots: Matrix, target: Matrix, noise: Matrix) -> list[int]:
    """Return the MAX_CHOSEN traits with the largest marginal likelihood, the best first.

    `base`: [n, n], the covariance of the targets without a trait. `knots`: [k, n, KNOTS], the knot
    weights of the images. `target`, `noise`: [n], the targets and their noise variances.
    """
    evidence = [_evidence(base + single_kernel(each), target, noise) for each in knots]
    order = np.argsort(-np.array(evidence), kind="stable")
    return [int(trait) for trait in order[:MAX_CHOSEN]]


def _evidence(covariance: Matrix, target: Matrix, noise: Matrix) -> float:
    """Return the log marginal likelihood, without the part that does not depend on the kernel."""
    lower = np.linalg.cholesky(covariance + np.diag(noise))
    whitened = np.linalg.solve(lower, target)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(lower)).sum())
