"""Give recent labels more weight if the taste of a person has changed.

Equal weights are better as long as a taste is stable (bench/LEARNING.md, "Drift"). This module
therefore compares two ways to predict the last labels: from all other labels with equal weights,
and with weights that halve with each HALF_LIFE further labels. Unequal weights are used only if
they are clearly better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Bools, Floats, Ints, inverse_of_lower
from imgscore.heads.kernel_solver import (
    CONSTANT_VARIANCE,
    MIN_NOISE,
    Inputs,
    balanced_weights,
    rbf,
)
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side
from imgscore.heads.trait_curves import knot_weights, trait_kernel

HALF_LIFE = 25.0
"""The number of later labels after which the weight of a label is halved."""
MIN_WEIGHT = 1e-3
"""The smallest weight of a label, in weights of the newest label. With smaller weights, the
covariance matrix would be ill-conditioned."""
PREDICTED = 50
"""The number of last labels that both ways predict. If the last batch has more labels, all labels
of this batch are predicted."""
MIN_PREDICTED_SIDE = 3
"""The smallest number of keep labels, and of trash labels, among the predicted labels. A person
who labels all keeps and then all trashes has not changed their taste."""
ERRORS = 1.0
"""The number of standard errors by which the mean log loss of unequal weights must be smaller."""
MAX_LABELS = 600
"""The largest number of labels from which the last labels are predicted, the newest ones. The two
inverses of this size take 0.05 s of CPU time."""
BATCH_SIZE = 5
"""The smallest number of labels with equal times that are more than single labels: a move of many
files, an import, or a part of the first scan."""
BATCH_GAP_NS = 10 * 10**9
"""The largest time between two parts of one batch, in ns. The first scan of a large folder stores
its labels in parts, whose sequence is that of the paths and says nothing about the person."""
FAST_GAP_NS = 10**8
"""The largest time between two labels that a program gives, and no person, in ns: one command with
many files, or the event of one move."""
NOISE = 1.0
"""The noise variance of a label, in units of the target ±1 of keep and trash."""
MEASURED_WEIGHT = 0.25
"""The smallest weight of the labels on which the quality of a head is measured after a change: the
labels of two half-lives. Older labels say what the person liked before."""
SLOPE = 2.0
"""The factor from an output to log-odds. It is that of a Gaussian likelihood of the targets ±1
with the variance NOISE."""

Matrix = NDArray[np.float64]


def ages(times: Ints) -> Ints:
    """Return for each label the number of labels in later batches, int64 [n].

    `times`: int64 [n], the time of each label, in ns. Labels of one time are one batch. Two
    successive times are also one batch if at most FAST_GAP_NS are between them, or at most
    BATCH_GAP_NS if one of them has BATCH_SIZE labels.
    """
    distinct, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    if not len(distinct):
        return np.zeros(0, np.int64)
    large = counts >= BATCH_SIZE
    gap = np.where(large[1:] | large[:-1], BATCH_GAP_NS, FAST_GAP_NS)
    joined = np.diff(distinct) <= gap
    batch = np.concatenate([[0], np.cumsum(~joined)])[place]
    sizes = np.bincount(batch)
    later = sizes.sum() - np.cumsum(sizes)
    return np.asarray(later[batch], np.int64)


def recency(
    inputs: Inputs, grades: Floats, times: Ints, settings: Mapping[str, Any]
) -> Matrix | None:
    """Return the weights [n] of labels after a change of the taste, or None without a change.

    `inputs`: of the labelled images, in the order of `grades` and `times`. `settings`: those of the
    recipe. The process that predicts has the mean kernel of all processes of the head.
    """
    age = ages(times)
    used = np.argsort(age, kind="stable")[:MAX_LABELS]
    predicted = age[used] < PREDICTED
    upper = upper_side(grades)[used]
    if predicted.all() or smaller_side(upper[predicted]) < MIN_PREDICTED_SIDE:
        return None
    weights = np.maximum(0.5 ** (age / HALF_LIFE), MIN_WEIGHT)
    kernel = _mean_kernel(inputs, used, settings)
    share = grades[used].astype(np.float64)
    equal = _losses(kernel, share, np.ones(len(used)))[predicted]
    gain = equal - _losses(kernel, share, weights[used])[predicted]
    if gain.mean() <= ERRORS * gain.std() / np.sqrt(len(gain)):
        return None
    return weights


def measured(weights: Matrix | None, upper: Bools) -> Bools:
    """Return bool [n]: the labels on which the quality of a head is measured.

    `weights`: the result of `recency`. `upper`: bool [n], the labels of the upper side (see
    sides.py). If the recent labels are too few of one side, all labels are used.
    """
    everything = np.ones(len(upper), bool)
    if weights is None:
        return everything
    recent = np.asarray(weights >= MEASURED_WEIGHT)
    return recent if smaller_side(upper[recent]) >= MIN_SIDE else everything


def _mean_kernel(inputs: Inputs, used: Ints, settings: Mapping[str, Any]) -> Matrix:
    """Return the covariance of the outputs of the labelled images `used`."""
    rows = inputs.rows[used]
    kernel = rbf(rows @ rows.T, settings["gamma"]).astype(np.float64)
    total = 1.0
    if inputs.far is not None:
        weight = float(np.mean(settings["reaches"]))
        kernel += weight * inputs.far[np.ix_(used, used)]
        total += weight
    if inputs.traits is not None:
        weight = max(settings["curves"])
        knots = knot_weights(inputs.traits[used])
        kernel += weight * trait_kernel(knots, knots)
        total += weight
    return np.asarray(kernel / total + CONSTANT_VARIANCE)


def _losses(kernel: Matrix, grades: Matrix, weights: Matrix) -> Matrix:
    """Return the log loss [n] of each label, predicted from all other labels, in nats.

    `weights`: [n], the weights of the labels. The predictions come from the inverse of the
    covariance (Rasmussen and Williams 2006, 5.12).
    """
    target = 2 * grades - 1
    noise = np.maximum(NOISE / balanced_weights(grades, weights), MIN_NOISE)
    root = inverse_of_lower(np.linalg.cholesky(kernel + np.diag(noise)))
    weight = root.T @ (root @ target)
    odds = SLOPE * (target - weight / np.einsum("ij,ij->j", root, root))
    return np.asarray(grades * np.logaddexp(0, -odds) + (1 - grades) * np.logaddexp(0, odds))
