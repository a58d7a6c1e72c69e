"""Measure scores against labels: AUC, pairwise accuracy, rank correlation, log loss and others.

Labels are grades from 0 to 1. A label above 0.5 is keep, a label below 0.5 is trash, and a label of
0.5 is undecided.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.grades import UNDECIDED
from imgscore.heads import intervals
from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.results import Bin, Interval, Measure, PairQuality, Quality
from imgscore.heads.sides import is_graded

BOOTSTRAP_DRAWS = 200
THRESHOLD = 0.5
"""The score from which a head predicts the label keep."""
RELIABILITY_BINS = 10
MIN_PROBABILITY = 1e-6
"""The smallest distance of a probability from 0 and 1. Probabilities that are closer to 0 or 1 are
clipped, so that each log loss is finite."""

LEVEL_DIGITS = 2
"""The number of decimal digits to which grades are rounded before they are compared in pairs. There
are then at most 101 levels, and the time of `Ranking.pairwise` is limited."""

Weights = NDArray[np.float64]


class Ranking:
    """Scores float32 [n] that are sorted once, together with their labels, grades float32 [n].

    The methods accept a bootstrap draw as weights float64 [n]. A new sort for each draw is
    therefore not needed.
    """

    def __init__(self, score: Floats, grades: Floats) -> None:
        self.order = np.argsort(-np.asarray(score, np.float64), kind="stable")
        ordered = np.asarray(score, np.float64)[self.order]
        self.grades = np.asarray(grades, np.float64)[self.order].round(LEVEL_DIGITS)
        self.levels = np.unique(self.grades)
        # `ends` contains the index of the last row of each run of equal scores.
        self.ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))

    def _totals(
        self, upper: Bools, lower: Bools, weights: Weights | None
    ) -> tuple[Weights, Weights]:
        """Return two arrays: cumulative counts of the labels `upper` and of the labels `lower`.

        `upper`, `lower`: bool [n], in the order of `grades`.

        The labels are counted from the best score down. Each array has one number for each run of
        equal scores: the number of labels up to the end of the run.
        """
        each = np.ones(len(self.grades)) if weights is None else weights[self.order]
        return np.cumsum(each * upper)[self.ends], np.cumsum(each * lower)[self.ends]

    def _correct(self, upper: Bools, lower: Bools, weights: Weights | None) -> tuple[float, float]:
        """Return the number of correct pairs of an upper and a lower label, and of all such pairs.

        A pair is correct if the upper label has the higher score. A pair with equal scores is
        counted as half a correct pair.
        """
        uppers, lowers = self._totals(upper, lower, weights)
        across, up = np.append(0, lowers), np.append(0, uppers)
        doubled = np.sum(np.diff(across) * (up[1:] + up[:-1]))
        return float(doubled / 2), float(across[-1] * up[-1])

    def auc(self, weights: Weights | None = None) -> float:
        """Return the area under the ROC curve, or 0.5 if one kind of label is missing.

        A keep label and a trash label with equal scores are counted as half a correct pair.
        Undecided labels are not counted.
        """
        correct, pairs = self._correct(self.grades > UNDECIDED, self.grades < UNDECIDED, weights)
        return correct / pairs if pairs else 0.5

    def pairwise(self, weights: Weights | None = None) -> float:
        """Return the pairwise accuracy, or 0.5 if all grades are equal.

        It is the share of correct pairs among all pairs of labels with different grades. A pair
        with equal scores is counted as half a correct pair. If there are only two grades, and 0.5
        lies between them, the pairwise accuracy is the AUC.
        """
        counted = [
            self._correct(self.grades == level, self.grades < level, weights)
            for level in self.levels[1:]
        ]
        pairs = sum(pairs for _, pairs in counted)
        return sum(correct for correct, _ in counted) / pairs if pairs else 0.5

    def average_precision(self, weights: Weights | None = None) -> float:
        """Return the mean precision at the keep labels, or 0 if there are no keep labels.

        The best score is the first in the ranking. Undecided labels are not counted.
        """
        keeps, trashes = self._totals(self.grades > UNDECIDED, self.grades < UNDECIDED, weights)
        if keeps[-1] == 0:
            return 0.0
        gained = np.diff(np.append(0, keeps))
        return float(
            np.sum(gained * keeps / np.maximum(keeps + trashes, MIN_PROBABILITY)) / keeps[-1]
        )


def rank_correlation(score: Floats, grades: Floats) -> float:
    """Return Spearman's rank correlation, from -1 to 1. Equal values share their mean rank.

    The result is 0 if all scores or all grades are equal.
    """
    ranks = np.stack([_mean_ranks(np.asarray(score)), _mean_ranks(np.asarray(grades))])
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((ranks**2).sum(axis=1)).prod()
    return float(np.clip(ranks[0] @ ranks[1] / lengths, -1, 1)) if lengths else 0.0


def _mean_ranks(values: NDArray[np.floating]) -> Weights:
    """Return the rank of each value, as float64 [n]. Equal values have the mean of their ranks."""
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[number])


def losses(score: Floats, grades: Floats) -> Weights:
    """Return the log loss of each label, as float64 [n] in nats.

    The log loss of a keep label is -ln of the score, and that of a trash label is -ln of 1 - score.
    The log loss of a label of grade g is g times the loss of keep plus 1 - g times that of trash.
    """
    score = np.clip(np.asarray(score, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    share = np.asarray(grades, np.float64)
    return np.asarray(-(share * np.log(score) + (1 - share) * np.log(1 - score)))


def divergences(score: Floats, grades: Floats) -> Weights:
    """Return the divergence of each score from its label, as float64 [n] in nats.

    It is the log loss minus the log loss of the best score, which is equal to the grade (Kullback
    and Leibler 1951). For keep and trash labels it is the log loss.
    """
    share = np.asarray(grades, np.float64)
    inner = np.clip(share, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    entropy = -(share * np.log(inner) + (1 - share) * np.log(1 - inner))
    return np.asarray(losses(score, grades) - np.where(share % 1 == 0, 0, entropy))


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


def measure_of(grades: Floats) -> Measure:
    """Return the measure by which heads that were trained on these labels are compared."""
    return "pairwise accuracy" if is_graded(grades) else "AUC"


def quality(score: Floats, grades: Floats, groups: Ints | None = None) -> Quality:
    """Return the Quality of scores float32 [n] for labels, grades float32 [n].

    The labels of one group count as one image in the intervals.
    """
    grades = np.asarray(grades, np.float32)
    count = len(grades)
    keep, trash = grades > UNDECIDED, grades < UNDECIDED
    decided = keep | trash
    ranking = Ranking(score, grades)
    _, group = np.unique(np.arange(count) if groups is None else groups, return_inverse=True)
    images = int(group.max()) + 1
    keeps, trashes = (len(np.unique(group[side])) for side in (keep, trash))
    share = float(np.clip(grades.mean(dtype=float), MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    both = bool(keeps and trashes)
    correct = np.mean(((score >= THRESHOLD) == keep)[decided]) if decided.any() else 0.0
    return Quality(
        labels=count,
        keeps=int(keep.sum()),
        auc=intervals.of_auc(ranking.auc(), keeps, trashes) if both else None,
        average_precision=intervals.of_proportion(ranking.average_precision(), keeps)
        if both
        else None,
        log_loss=intervals.of_mean(losses(score, grades), group),
        base_log_loss=float(-share * np.log(share) - (1 - share) * np.log(1 - share)),
        reliability=_reliability(score, grades),
        accuracy=intervals.of_proportion(float(correct), len(np.unique(group[decided])))
        if decided.any()
        else None,
        undecided=count - int(decided.sum()),
        pairwise_accuracy=intervals.of_auc(
            ranking.pairwise(), *intervals.independent(ranking.grades, group[ranking.order])
        ),
        rank_correlation=intervals.of_correlation(rank_correlation(score, grades), images),
        measure=measure_of(grades),
    )


def _reliability(score: Floats, grades: Floats) -> list[Bin]:
    """Return the bins of the reliability diagram, without the empty bins.

    All bins have equal width.
    """
    number = np.minimum((score * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return [
        Bin(
            float(score[held].mean()),
            float(grades[held].mean(dtype=float)),
            int(held.sum()),
            int((grades[held] > UNDECIDED).sum()),
            int((grades[held] == UNDECIDED).sum()),
        )
        for held in (number == index for index in range(RELIABILITY_BINS))
        if held.any()
    ]


def correct(difference: Floats) -> Weights:
    """Return float64 [m]: 1 if the better image has the higher score, 0.5 if the scores are equal.

    `difference`: the score (or the log-odds) of the better image minus that of the worse image.
    """
    return np.asarray((np.sign(difference) + 1) / 2, np.float64)


def pair_quality(odds: Floats, comparisons: Ints, groups: Ints) -> PairQuality | None:
    """Return how well held-out log-odds predict comparisons, or None if there are none.

    `odds`: [m], see base.Fitted. `comparisons`, `groups`: int64 [m, 3] and [n], as in
    base.Examples. In the intervals, comparisons of equal groups count as one.
    """
    if not len(comparisons):
        return None
    same = comparisons[:, 2] > 0
    pairs = np.sort(groups[comparisons[:, :2]], axis=1)
    pair = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)  # numpy 2.0: [n, 1]
    wins = np.where(same, 0.5, 1.0)
    loss = np.logaddexp(0, np.asarray(odds, np.float64)) - wins * np.asarray(odds, np.float64)
    right = correct(odds[~same])
    return PairQuality(
        comparisons=len(comparisons),
        same=int(same.sum()),
        accuracy=intervals.of_proportion(float(right.mean()), len(np.unique(pair[~same])))
        if len(right)
        else None,
        log_loss=intervals.of_mean(loss, pair),
    )
