"""Measure scores against labels: accuracy, AUC, average precision, log loss and reliability."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads import intervals
from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.results import Bin, Interval, Quality

BOOTSTRAP_DRAWS = 200
THRESHOLD = 0.5
"""The score from which a head predicts the label keep."""
RELIABILITY_BINS = 10
MIN_PROBABILITY = 1e-6
"""The smallest distance of a probability from 0 and 1. Probabilities that are closer to 0 or 1 are
clipped, so that each log loss is finite."""

Weights = NDArray[np.float64]


class Ranking:
    """Scores float32 [n] that are sorted once, together with their labels (bool [n]).

    The methods accept a bootstrap draw as weights float64 [n]. A new sort for each draw is
    therefore not needed.
    """

    def __init__(self, score: Floats, keep: Bools) -> None:
        self.order = np.argsort(-np.asarray(score, np.float64), kind="stable")
        ordered = np.asarray(score, np.float64)[self.order]
        self.keep = keep[self.order]
        # `ends` contains the index of the last row of each run of equal scores.
        self.ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))

    def _totals(self, weights: Weights | None) -> tuple[Weights, Weights]:
        """Return two arrays: cumulative counts of the keep labels and of the trash labels.

        The labels are counted from the best score down. Each array has one number for each run of
        equal scores: the number of labels up to the end of the run.
        """
        each = np.ones(len(self.keep)) if weights is None else weights[self.order]
        return (
            np.cumsum(each * self.keep)[self.ends],
            np.cumsum(each * ~self.keep)[self.ends],
        )

    def auc(self, weights: Weights | None = None) -> float:
        """Return the area under the ROC curve, or 0.5 if one kind of label is missing.

        A keep label and a trash label with equal scores are counted as half a correct pair.
        """
        keeps, trashes = self._totals(weights)
        if keeps[-1] == 0 or trashes[-1] == 0:
            return 0.5
        across, up = np.append(0, trashes), np.append(0, keeps)
        doubled_area = np.sum(np.diff(across) * (up[1:] + up[:-1]))
        return float(doubled_area / (2 * across[-1] * up[-1]))

    def average_precision(self, weights: Weights | None = None) -> float:
        """Return the mean precision at the keep labels, or 0 if there are no keep labels.

        The best score is the first in the ranking.
        """
        keeps, trashes = self._totals(weights)
        if keeps[-1] == 0:
            return 0.0
        gained = np.diff(np.append(0, keeps))
        return float(
            np.sum(gained * keeps / np.maximum(keeps + trashes, MIN_PROBABILITY)) / keeps[-1]
        )


def losses(score: Floats, keep: Bools) -> Weights:
    """Return the log loss of each label, as float64 [n] in nats.

    The log loss of a label is -ln of the probability of this label.
    """
    score = np.clip(np.asarray(score, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.asarray(-np.log(np.where(keep, score, 1 - score)))


def resample(groups: Ints, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> Weights:
    """Return bootstrap draws of whole groups as float64 [draws, n].

    Each number is the number of times that the draw contains the row.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = [
        np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(draws)
    ]
    return np.stack(drawn).astype(np.float64)[:, group]


def interval(value: float, draws: Any) -> Interval:
    """Return the Interval of `value` from the 2.5 % quantile to the 97.5 % quantile of `draws`."""
    low, high = np.quantile(np.asarray(draws), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def quality(score: Floats, keep: Bools, groups: Ints | None = None) -> Quality:
    """Return the Quality of scores float32 [n] for the labels `keep`, bool [n].

    The labels of one group count as one image in the intervals.
    """
    ranking = Ranking(score, keep)
    loss = losses(score, keep)
    _, group = np.unique(np.arange(len(keep)) if groups is None else groups, return_inverse=True)
    keeps, trashes = intervals.independent(keep, group)
    share = float(np.clip(keep.mean(), MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    accuracy = float(np.mean((score >= THRESHOLD) == keep))
    return Quality(
        labels=len(keep),
        keeps=int(keep.sum()),
        auc=intervals.of_auc(ranking.auc(), max(keeps, 1), max(trashes, 1)),
        average_precision=intervals.of_proportion(ranking.average_precision(), max(keeps, 1)),
        log_loss=intervals.of_mean(loss, group),
        base_log_loss=float(-share * np.log(share) - (1 - share) * np.log(1 - share)),
        reliability=_reliability(score, keep),
        accuracy=intervals.of_proportion(accuracy, int(group.max()) + 1),
    )


def _reliability(score: Floats, keep: Bools) -> list[Bin]:
    """Return the bins of the reliability diagram, without the empty bins.

    All bins have equal width.
    """
    number = np.minimum((score * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return [
        Bin(float(score[held].mean()), float(keep[held].mean()), int(held.sum()))
        for held in (number == index for index in range(RELIABILITY_BINS))
        if held.any()
    ]
