"""Find the label after which the taste of a person has changed, and leave out the labels before it.

As long as a taste is stable, equal weights are best (bench/LEARNING.md, "Drift"). For each number
of CHANGES, this module therefore compares two explanations of that many last labels: a Gaussian
process that has learned from all older labels, and one that has not. If the second one is clearly
better, the older labels no longer count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Bools, Floats, Ints, inverse_of_lower
from imgscore.heads.kernel_solver import (
    CONSTANT_VARIANCE,
    MIN_NOISE,
    Inputs,
    rbf,
)
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side
from imgscore.heads.trait_curves import knot_weights, trait_kernel

CHANGES = (20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320)
"""The numbers of last labels that may have another taste than the labels before them, in steps of a
quarter."""
STEP = 1.25
"""The ratio of two numbers of CHANGES."""
FINE_STEPS = 21
"""The number of changes around the most probable one that are compared at the end. Two neighbours
are one label apart if the change is 40 labels ago, and 8 labels if it is 320 labels ago."""
OLD_WEIGHT = 0.01
"""The weight of a label before the change, in weights of a label after it. It is not 0, because a
new taste can have a part of the old one (bench/LEARNING.md, "Drift")."""
MIN_OLD = 10
"""The smallest number of labels before a change. Fewer labels say too little about a taste."""
MIN_RECENT_SIDE = 3
"""The smallest number of keep labels, and of trash labels, on both sides of a change. A person who
labels all keeps and then all trashes has not changed their taste."""
MIN_EVIDENCE = 8.0
"""The smallest logarithm of the Bayes factor of a change, in nats. It is far above 0, because a
change is rare."""
MIN_GAIN = 5.0
"""The smallest decrease of the sum of the log losses of the last labels if the older labels are
left out, in nats. Each label is predicted from the others."""
MAX_LABELS = 600
"""The number of newest labels in which a change is searched."""
BATCH_SIZE = 5
"""The smallest number of labels with equal times that are more than single labels: a move of many
files, an import, or a part of the first scan."""
BATCH_GAP_NS = 10 * 10**9
"""The largest time between two parts of one batch, in ns. The first scan of a large folder stores
its labels in parts, whose sequence is that of the paths and says nothing about the person."""
FAST_GAP_NS = 10**8
"""The largest time between two labels that a program gives, and no person, in ns: one command with
many files, or the event of one move."""
NOISE = 0.3
"""The noise variance of a label, in units of the target ±1 of keep and trash."""
SLOPE = 3.0
"""The factor from an output to log-odds. It is the usual slope of the calibration of a head."""

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
    recipe. The process that explains the labels has the additive trait kernel.
    """
    age = ages(times)
    used = np.argsort(age, kind="stable")[:MAX_LABELS][::-1]
    if len(used) < MIN_OLD + CHANGES[0]:
        return None
    kernel = _mean_kernel(inputs, used, settings)
    start = _first_of_new_taste(kernel, grades[used].astype(np.float64), age[used])
    if start is None:
        return None
    return np.where(age <= age[used[start]], 1.0, OLD_WEIGHT)


def measured(weights: Matrix | None, upper: Bools) -> Bools:
    """Return bool [n]: the labels on which the quality of a head is measured.

    `weights`: the result of `recency`. `upper`: bool [n], the labels of the upper side (see
    sides.py). If the recent labels are too few of one side, all labels are used.
    """
    everything = np.ones(len(upper), bool)
    if weights is None:
        return everything
    recent = np.asarray(weights > OLD_WEIGHT)
    return recent if smaller_side(upper[recent]) >= MIN_SIDE else everything


def _first_of_new_taste(kernel: Matrix, grades: Matrix, age: Ints) -> int | None:
    """Return the row of the first label after the most probable change, or None without a change.

    `kernel`: [n, n], of the labels, the oldest first. `age`: int64 [n], see `ages`.

    For the last labels y and the older labels o, the Bayes factor is p(y) / p(y | o). Both are
    products of densities of single labels, given the labels before them, which a Cholesky factor
    contains (Rasmussen and Williams 2006, algorithm 2.1).
    """
    target, upper = 2 * grades - 1, upper_side(grades.astype(np.float32))
    covariance = kernel + np.diag(np.maximum(NOISE / _balanced_weights(grades), MIN_NOISE))
    densities, losses = _explained(covariance, target)

    def best_of(changes: Iterable[int]) -> int | None:
        best, found = MIN_EVIDENCE, None
        for start in np.unique([np.count_nonzero(age >= change) for change in changes]):
            sides = smaller_side(upper[:start]), smaller_side(upper[start:])
            if start < MIN_OLD or min(sides) < MIN_RECENT_SIDE:
                continue
            own_densities, own_losses = _explained(covariance[start:, start:], target[start:])
            evidence = own_densities.sum() - densities[start:].sum()
            gain = losses[start:].sum() - own_losses.sum()
            if evidence > best and gain > MIN_GAIN:
                best, found = evidence, int(start)
        return found

    start = best_of(CHANGES)
    if start is None:
        return None
    # Search again in smaller steps: a few labels of the old taste would do harm.
    around = np.linspace((len(age) - start) / STEP, (len(age) - start) * STEP, FINE_STEPS)
    return best_of([*CHANGES, *around.round().astype(int)])


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
        weight = float(settings["trait_weight"])
        knots = knot_weights(inputs.traits[used])
        kernel += weight * trait_kernel(knots, knots)
        total += weight
    return np.asarray(kernel / total + CONSTANT_VARIANCE)


def _explained(covariance: Matrix, target: Matrix) -> tuple[Matrix, Matrix]:
    """Return two numbers for each label, [n], in nats.

    The first one is the log density of its target, given all labels before it, without a constant.
    The second one is its log loss, if it is predicted from all other labels (Rasmussen and Williams
    2006, 5.12). `covariance`: [n, n], of the targets `target`, with noise.
    """
    lower = np.linalg.cholesky(covariance)
    root = inverse_of_lower(lower)
    whitened = root @ target
    output = target - (root.T @ whitened) / np.einsum("ij,ij->j", root, root)
    grade = (target + 1) / 2
    loss = np.logaddexp(0, SLOPE * output) - grade * SLOPE * output
    return -0.5 * whitened**2 - np.log(np.diag(lower)), loss


def _balanced_weights(grades: Matrix) -> Matrix:
    """Return weights [n] of labels with a mean of 1. All keeps have the weight of all trashes.

    A label of grade g counts as g keep labels and 1 - g trash labels. If there is only one kind of
    label, each weight is 1.
    """
    share = grades.mean()
    if not 0 < share < 1:
        return np.ones(len(grades))
    return np.asarray(grades * (0.5 / share) + (1 - grades) * (0.5 / (1 - share)))
