"""Turn the raw outputs of a head into probabilities.

A logistic curve is fitted to held-out outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 50
"""The largest number of Newton steps. The fit ends earlier if a step is smaller than 1e-7."""
SLOPE_MEAN = 4.0
"""The mean of the normal prior on the slope of the curve of labels. An output is in units of the
target ±1. On tastes without wrong labels, the best slope is about 6, and 2 if 15 % of the labels
are wrong (bench/LEARNING.md, "Trust")."""
SLOPE_PRECISION = 0.25
"""The precision (1 / variance) of this prior. The prior matters with ten labels and has almost no
effect with a thousand."""
PAIR_PRECISION = 1.0
"""The precision of the normal prior on the slope of comparisons, for differences with a standard
deviation of 1. The mean of the prior is 1."""
MIN_DEVIATION = 0.1
"""The smallest number by which the differences of comparisons are divided. If their deviation is
larger, they are divided by it. For targets ±1, differences with a smaller deviation are noise and
must not be scaled up."""
MIN_SLOPE = 0.1
"""The smallest slope of a curve. It is used if a head ranks the held-out labels badly. With a
small slope, the order of the images stays unchanged, but all scores are less certain."""
SLOPES = np.exp(np.linspace(np.log(0.2), np.log(14), 32))
"""The slopes of the curves that `fit_curve` compares. The best slope of a taste is nearly always
between 1 and 14. A smaller one is that of a head that ranks held-out labels badly."""
WHIMS = np.array([0.0, 0.03, 0.07, 0.12, 0.18])
"""The shares of wrong labels that `fit_curve` compares."""
MEDIAN_SLOPE = 4.0
"""The median of the log-normal prior of the slope in `fit_curve`. It is equal to SLOPE_MEAN."""
SLOPE_SPREAD = 0.7
"""The deviation of the logarithm of the slope in this prior: that between tastes."""
MEAN_WHIMS = 0.1
"""The mean of the exponential prior of the share of wrong labels."""
OFFSET_PRECISION = 0.05
"""The precision of the normal prior of the offset. It keeps the offset finite if all labels are on
one side of it."""
OFFSET_STEPS = 6
"""The number of Gauss-Newton steps for the offsets. With 12 steps, the curves are the same."""
MAX_OFFSET_STEP = 2.0
"""The largest change of an offset in one step."""
MAX_BINS = 100
"""The largest number of outputs from which a curve is fitted. More outputs are sorted, and replaced
by the means of this number of equal parts, so that the time does not grow with the labels."""

Matrix = NDArray[np.float64]


class Curve(NamedTuple):
    """The score of an output: whims + (1 - 2 · whims) · sigmoid(slope · output + offset).

    `whims` is the share of labels that are wrong at random.
    """

    slope: float
    offset: float
    whims: float = 0.0

    def __call__(self, outputs: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the scores of outputs."""
        return with_whims(sigmoid(self.slope * outputs + self.offset), self.whims)


def with_whims(chance: NDArray[np.floating], whims: float) -> NDArray[np.floating]:
    """Return the probability that a label is keep if the taste keeps the image with `chance`."""
    return np.asarray(whims + (1 - 2 * whims) * chance)


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return 1 / (1 + e^-x), computed without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def fit_platt(
    outputs: NDArray[np.floating],
    grades: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
) -> tuple[float, float]:
    """Return the slope and offset of score = sigmoid(slope · output + offset).

    `outputs`: [n], the held-out outputs of a head.
    `grades`: [n], the labels. A label of grade g is fitted like g keep labels and 1 - g
    trash labels of the same output. The score is therefore the expected grade. An image of score
    0.5 is expected to be undecided.
    `weights`: [n], the weights of the labels, or None for equal weights of 1.

    The slope is always positive. If a head ranks a few held-out labels in the wrong order, the
    order of all images must not be reversed.

    The fit is that of Platt (1999), with his smoothed targets (n₊+1)/(n₊+2) and 1/(n₋+2) for n₊
    keep labels and n₋ trash labels, where n₊ is the sum of the grades. It uses Newton's method in
    the form of Lin, Lin and Weng (2007), which halves a step that would increase the loss.
    """
    output = np.asarray(outputs, np.float64)
    share = np.asarray(grades, np.float64)
    weight = np.ones(len(share)) if weights is None else weights
    keeps = float(weight @ share)
    trashes = float(weight.sum()) - keeps
    target = share * ((keeps + 1) / (keeps + 2)) + (1 - share) * (1 / (trashes + 2))

    def loss_of(curve: NDArray[np.float64]) -> float:
        odds = curve[0] * output + curve[1]
        prior = SLOPE_PRECISION / 2 * (curve[0] - SLOPE_MEAN) ** 2
        return float(weight @ (np.logaddexp(0, odds) - target * odds) + prior)

    curve = np.array([1.0, np.log((keeps + 1) / (trashes + 1))])
    loss = loss_of(curve)
    for _ in range(MAX_STEPS):
        probability = sigmoid(curve[0] * output + curve[1])
        residual = weight * (probability - target)
        curvature = weight * np.maximum(probability * (1 - probability), 1e-9)
        prior = SLOPE_PRECISION * (curve[0] - SLOPE_MEAN)
        gradient = np.array([residual @ output + prior, residual.sum()])
        cross = curvature @ output
        hessian = np.array(
            [
                [curvature @ (output * output) + SLOPE_PRECISION, cross],
                [cross, curvature.sum() + 1e-9],
            ]
        )
        step = np.linalg.solve(hessian, gradient)
        while (moved := loss_of(curve - step)) > loss and np.abs(step).max() > 1e-7:
            step /= 2
        if moved > loss:
            break
        curve, loss = curve - step, moved
        if np.abs(step).max() < 1e-7:
            break
    slope, offset = curve
    if slope < MIN_SLOPE:
        return MIN_SLOPE, float(np.log((keeps + 1) / (trashes + 1)))
    return float(slope), float(offset)


def fit_curve(
    outputs: NDArray[np.floating],
    grades: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
) -> Curve:
    """Return the curve that is closest to the mean of all curves, weighted by their posterior.

    The parameters are those of `fit_platt`. Few labels fit curves of many slopes and of many shares
    of wrong labels almost equally well. Their mean predicts other labels better than the best one
    of them. The curves are those of SLOPES and WHIMS, each with its best offset.
    """
    output = np.asarray(outputs, np.float64)
    grade = np.asarray(grades, np.float64)
    weight = np.ones(len(output)) if weights is None else np.asarray(weights, np.float64)
    output, grade, weight = _binned(output, grade, weight)
    slope, whims = (part.ravel() for part in np.meshgrid(SLOPES, WHIMS, indexing="ij"))
    chance, _, loss = _with_offsets(slope, whims, output, grade, weight)
    loss += ((np.log(slope) - np.log(MEDIAN_SLOPE)) / SLOPE_SPREAD) ** 2 / 2 + whims / MEAN_WHIMS
    trust = np.exp(loss.min() - loss)
    mean = trust @ chance / trust.sum()
    _, offset, loss = _with_offsets(slope, whims, output, mean, weight)
    best = int(loss.argmin())
    return Curve(float(slope[best]), float(offset[best]), float(whims[best]))


def _with_offsets(
    slope: Matrix, whims: Matrix, output: Matrix, target: Matrix, weight: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """Return the probabilities [c, n] of c curves, their best offsets [c], and their losses [c].

    `slope`, `whims`: [c]. `output`, `target`, `weight`: [n]. The offsets are found by Gauss-Newton
    steps from that of a curve of slope 0.
    """
    keeps, total = weight @ target, weight.sum()
    offset = np.full((len(slope), 1), np.log((keeps + 1) / (total - keeps + 1)))
    share = 1 - 2 * whims[:, None]
    for step in range(OFFSET_STEPS + 1):
        chance = sigmoid(slope[:, None] * output + offset)
        probability = np.clip(whims[:, None] + share * chance, 1e-6, 1 - 1e-6)
        if step == OFFSET_STEPS:
            break
        variance = probability * (1 - probability)
        change = share * chance * (1 - chance)
        gradient = ((probability - target) / variance * change) @ weight
        curvature = (change * change / variance) @ weight + OFFSET_PRECISION
        moved = (gradient[:, None] + OFFSET_PRECISION * offset) / curvature[:, None]
        offset -= np.clip(moved, -MAX_OFFSET_STEP, MAX_OFFSET_STEP)
    losses = -(target * np.log(probability) + (1 - target) * np.log(1 - probability)) @ weight
    return probability, offset[:, 0], losses


def _binned(output: Matrix, grade: Matrix, weight: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return at most MAX_BINS outputs, with the mean grade and the total weight of each."""
    if len(output) <= MAX_BINS:
        return output, grade, weight
    order = np.argsort(output, kind="stable")
    starts = np.linspace(0, len(order), MAX_BINS, endpoint=False).astype(int)
    total = np.add.reduceat(weight[order], starts)
    means = [np.add.reduceat((weight * each)[order], starts) / total for each in (output, grade)]
    return means[0], means[1], total


def fit_slope(differences: NDArray[np.floating], wins: NDArray[np.floating]) -> float:
    """Return the slope of P(better) = sigmoid(slope · difference) for comparisons.

    `differences`: [m], the held-out output of the better image minus that of the worse image.
    `wins`: [m], 1 for a better image, and 0.5 for "same".

    The smoothed targets are those of `fit_platt`. There is no offset, because P(better) is 0.5 for
    equal outputs. The differences are divided by their deviation before the fit.
    """
    raw = np.asarray(differences, np.float64)
    deviation = max(float(np.sqrt(np.mean(raw**2))) if len(raw) else 0.0, MIN_DEVIATION)
    scaled = raw / deviation
    target = 0.5 + (np.asarray(wins, np.float64) - 0.5) * (len(raw) / (len(raw) + 2))
    slope = 1.0
    for _ in range(MAX_STEPS):
        probability = sigmoid(slope * scaled)
        curvature = probability * (1 - probability)
        gradient = (probability - target) @ scaled + PAIR_PRECISION * (slope - 1)
        step = float(gradient / (curvature @ (scaled * scaled) + PAIR_PRECISION))
        step = max(-4.0, min(4.0, step))
        slope -= step
        if abs(step) < 1e-7:
            break
    return max(slope, MIN_SLOPE) / deviation
