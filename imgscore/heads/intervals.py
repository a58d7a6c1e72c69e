"""Intervals of measured figures, from closed formulas.

A bootstrap of few labels is too narrow: if all labels are ranked correctly, each draw is, too, and
the interval is a single point. These formulas depend on the number of labels. Their factors were
measured on heads of 10, 20, 50 and 100 labels (bench/LEARNING.md). The figures describe the head
that is trained on all labels, but they are measured on heads that are trained without some of the
labels. The factors are therefore larger than the usual 1.96.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Ints
from imgscore.heads.results import Interval

PROPORTION_Z = 2.6
"""The number of standard errors on each side of a proportion. With 1.96, the interval of the
accuracy contained the accuracy on all other images in 89 to 94 % of the cases; with 2.6, in 95 to
98 %."""
MEAN_Z = 2.3
"""The number of standard errors on each side of a mean. The interval of the log loss contained the
loss on all other images in 94 to 98 % of the cases."""
AUC_Z = 1.96
"""The number of standard errors below an AUC."""
AUC_ABOVE_Z = 3.0
"""The number of standard errors above the AUC of many labels. With 1.96, the interval of 100 and of
300 labels contained the AUC on other images in 91 % of the cases; with 3, in 95 and 94 %. Many
misses are heads that rank other images almost without errors."""
SMALL_SAMPLE_Z = 3.6
"""The number of additional standard errors above the AUC of very few labels. A head of ten labels
is much better than the heads that are trained without one or two of them: by 0.12 on average."""
SMALL_SAMPLE_LABELS = 75
"""The number of labels at which SMALL_SAMPLE_Z has fallen to 1/e."""
CORRELATION_Z = 2.3
"""The number of standard errors below and above a rank correlation of many labels. With 1.96, the
interval of 300 labels contained the correlation on other images in 87 % of the cases; with 2.3, in
95 %. Fewer labels have SMALL_SAMPLE_Z above it, as an AUC has."""
MAX_CORRELATION = 0.9999
"""The largest rank correlation of which the interval is computed. That of 1 would be one point."""
STEPS = 4000
"""The number of steps between 0 and 1 in which the ends of the interval of an AUC are searched."""


def of_proportion(value: float, count: float) -> Interval:
    """Return the interval of Wilson (1927) of a proportion that was measured on `count` images."""
    z = PROPORTION_Z
    centre = (value + z * z / (2 * count)) / (1 + z * z / count)
    error = np.sqrt(value * (1 - value) / count + z * z / (4 * count * count))
    half = z * error / (1 + z * z / count)
    # Rounding must not move an end beyond the value, or beyond 0 or 1.
    low, high = min(max(centre - half, 0), value), max(min(centre + half, 1), value)
    return Interval(value, float(low), float(high))


def of_auc(value: float, keeps: float, trashes: float) -> Interval:
    """Return the interval of an AUC, or of a pairwise accuracy, by method 5 of Newcombe (2006).

    It contains each AUC θ whose distance from `value` is at most a number of standard errors. The
    standard error is that of Hanley and McNeil (1982) for θ, not for `value`.
    """
    theta = np.linspace(0, 1, STEPS + 1)
    error = error_of_auc(theta, keeps, trashes)
    above = AUC_ABOVE_Z + SMALL_SAMPLE_Z * np.exp(-(keeps + trashes) / SMALL_SAMPLE_LABELS)
    inside = theta[(value - theta <= AUC_Z * error) & (theta - value <= above * error)]
    low, high = (inside[0], inside[-1]) if len(inside) else (value, value)
    return Interval(value, float(min(low, value)), float(max(high, value)))


def error_of_auc(theta: NDArray[np.float64], keeps: float, trashes: float) -> NDArray[np.float64]:
    """Return the standard errors of AUCs `theta`, by Hanley and McNeil (1982)."""
    pairs = (keeps + trashes) / 2 - 1
    more = 1 + pairs * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    return np.asarray(np.sqrt(theta * (1 - theta) * more / (keeps * trashes)))


def of_mean(values: NDArray[np.float64], groups: Ints) -> Interval:
    """Return the interval of the mean of values [n]. The values of one group are not independent.

    There are no negative values.
    """
    mean = float(values.mean())
    sums = np.bincount(groups, weights=values - mean)
    count = max(len(sums), 2)
    error = np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values)
    half = MEAN_Z * (1 + 1.5 / (count - 1)) * float(error)
    return Interval(mean, max(mean - half, 0.0), mean + half)


def of_correlation(value: float, count: int) -> Interval:
    """Return the interval of a rank correlation that was measured on `count` images.

    It is that of Fisher's transformation, with the standard error of Bonett and Wright (2000).
    """
    inner = float(np.clip(value, -MAX_CORRELATION, MAX_CORRELATION))
    error = np.sqrt((1 + inner**2 / 2) / max(count - 3, 1))
    above = CORRELATION_Z + SMALL_SAMPLE_Z * np.exp(-count / SMALL_SAMPLE_LABELS)
    low = np.tanh(np.arctanh(inner) - CORRELATION_Z * error)
    high = np.tanh(np.arctanh(inner) + above * error)
    return Interval(value, float(min(low, value)), float(max(high, value)))


def independent(grades: NDArray[np.float64], groups: Ints) -> tuple[float, float]:
    """Return the numbers of keep and trash labels that have as many pairs as labels with grades.

    Only pairs of labels with different grades are counted. Near-duplicates are in one group, and
    images of one group and one grade count as one image. For keep and trash labels, the result is
    the number of groups that contain trash labels, and of those that contain keep labels.
    """
    levels, level = np.unique(grades, return_inverse=True)
    images = np.unique(np.stack([level, groups]), axis=1)[0]
    counts = np.bincount(images, minlength=len(levels)).astype(np.float64)
    total = counts.sum()
    pairs = (total**2 - (counts**2).sum()) / 2
    # Two sides of equal size have the most pairs of two sides. Labels of many grades have more.
    half = np.sqrt(max(total**2 / 4 - pairs, 0))
    return max(float(total / 2 - half), 1.0), max(float(total / 2 + half), 1.0)
