"""The losses and the calibration of held-out outputs of the kernel head.

The held-out output of an image comes from a head that was trained without the fold of the image.
"""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.base import Scores
from imgscore.heads.calibration import SLOPE_MEAN, Curve, fit_curve, fit_platt, fit_slope
from imgscore.heads.preferences import Answers, Matrix, wins_of
from imgscore.heads.sides import upper_side


def loss_of(outputs: Matrix, answers: Answers) -> float:
    """Return the total log loss of held-out outputs after calibration, in nats.

    The loss of the labels and the loss of the comparisons are calibrated separately.
    """
    labels, total = len(answers.grades), 0.0
    if labels:
        total = _log_loss(outputs[:labels], answers.grades, answers.weights)
    if len(answers.comparisons):
        odds, _ = comparison_odds(outputs, answers.comparisons)
        wins = wins_of(answers.comparisons)
        total += float((np.logaddexp(0, odds) - wins * odds).sum())
    return total


def comparison_odds(outputs: Matrix, comparisons: Ints) -> tuple[Matrix, float]:
    """Return the log-odds [m] that the better image of each comparison is better, and their slope.

    `outputs`: [n], the held-out outputs of the images. The slope is fitted to all comparisons. The
    log-odds are the slope times the difference of the outputs.
    """
    difference = outputs[comparisons[:, 0]] - outputs[comparisons[:, 1]]
    slope = fit_slope(difference, wins_of(comparisons))
    return slope * difference, slope


def _log_loss(outputs: Matrix, grades: Matrix, weights: Matrix | None) -> float:
    """Return the total log loss of held-out outputs after calibration, in nats.

    The log loss of a label of grade g is g times the loss of keep plus 1 - g times that of trash.
    """
    slope, offset = fit_platt(outputs, grades, weights)
    odds = slope * outputs + offset
    losses = grades * np.logaddexp(0, -odds) + (1 - grades) * np.logaddexp(0, odds)
    return float(losses.sum() if weights is None else weights @ losses)


def calibrate(outputs: Matrix, grades: Floats, folds: Ints, weights: Matrix | None = None) -> Curve:
    """Return the curve of fit_curve for held-out outputs.

    Outputs that tell nothing are left out: see `_informed`.
    """
    upper = upper_side(grades)
    return _fit(outputs, grades, upper, _informed(upper, folds), weights)


def _fit(
    outputs: Matrix, grades: Floats, upper: Bools, used: Bools, weights: Matrix | None
) -> Curve:
    """Call fit_curve. If the used rows lack one side, return its usual slope and offset 0."""
    if upper[used].all() or not upper[used].any():
        return Curve(SLOPE_MEAN, 0.0)
    return fit_curve(outputs[used], grades[used], None if weights is None else weights[used])


def _informed(upper: Bools, folds: Ints) -> Bools:
    """Return for each row whether the other folds contain labels of both sides (see sides.py).

    All labels of one side are in one fold if their images are near-duplicates, such as a burst. The
    held-out output of this fold comes from a head that has seen only the other side.
    """
    counts = np.stack([np.bincount(folds, side, folds.max() + 1) for side in (upper, ~upper)])
    return np.asarray((counts.sum(axis=1, keepdims=True) > counts).all(axis=0)[folds])


def calibrated_by_fold(
    outputs: Matrix, grades: Floats, folds: Ints, weights: Matrix | None = None
) -> Scores:
    """Return the held-out scores. Each fold is calibrated with the labels of the other folds.

    If the other folds lack labels of one side, the score is 0.5.
    """
    score = np.full(len(outputs), 0.5, np.float32)
    upper = upper_side(grades)
    informed = _informed(upper, folds)
    for fold in np.unique(folds[informed]):
        held = folds == fold
        score[held] = _fit(outputs, grades, upper, informed & ~held, weights)(outputs[held])
    return Scores(score, np.zeros_like(score))
