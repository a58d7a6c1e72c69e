"""How good scores are against labels: ranking, precision, surprise, honesty of the probability."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Bools, Floats, Ints
from imgscore.heads.results import Bin, Interval, Quality

DRAWS = 200
BINS = 10
CLIP = 1e-6

Weights = NDArray[np.float64]


class Ranking:
    """Scores sorted once, so that a bootstrap draw, given as weights, costs no further sort."""

    def __init__(self, score: Floats, keep: Bools) -> None:
        self.order = np.argsort(-np.asarray(score, np.float64), kind="stable")
        ordered = np.asarray(score, np.float64)[self.order]
        self.keep = keep[self.order]
        # the last row of each run of equal scores
        self.ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))

    def _totals(self, weights: Weights | None) -> tuple[Weights, Weights]:
        """Keeps and trashes seen down to the end of each run of equal scores, best first."""
        each = np.ones(len(self.keep)) if weights is None else weights[self.order]
        return (
            np.cumsum(each * self.keep)[self.ends],
            np.cumsum(each * ~self.keep)[self.ends],
        )

    def auc(self, weights: Weights | None = None) -> float:
        """Area under the ROC curve, ties counted half; .5 where a kind is missing."""
        keeps, trashes = self._totals(weights)
        if keeps[-1] == 0 or trashes[-1] == 0:
            return 0.5
        x, y = np.append(0, trashes), np.append(0, keeps)
        return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / (2 * x[-1] * y[-1]))

    def average_precision(self, weights: Weights | None = None) -> float:
        """Mean precision over the keeps, best first; 0 where there is none."""
        keeps, trashes = self._totals(weights)
        if keeps[-1] == 0:
            return 0.0
        gained = np.diff(np.append(0, keeps))
        return float(np.sum(gained * keeps / np.maximum(keeps + trashes, CLIP)) / keeps[-1])


def losses(score: Floats, keep: Bools) -> Weights:
    """-ln of the probability given to the label, float64 [n]."""
    p = np.clip(np.asarray(score, np.float64), CLIP, 1 - CLIP)
    return np.asarray(-np.log(np.where(keep, p, 1 - p)))


def resample(groups: Ints, draws: int = DRAWS, seed: int = 0) -> Weights:
    """float64 [draws, n]: how often each row is in each bootstrap draw. Groups are drawn whole."""
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = [
        np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(draws)
    ]
    return np.stack(drawn).astype(np.float64)[:, group]


def interval(value: float, draws: Any) -> Interval:
    """`value` with the middle 95 % of `draws`."""
    low, high = np.quantile(np.asarray(draws), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def quality(score: Floats, keep: Bools, groups: Ints | None = None) -> Quality:
    """Figures of score float32 [n] against keep bool [n], with bootstrap intervals over groups."""
    ranking = Ranking(score, keep)
    loss = losses(score, keep)
    draws = resample(np.arange(len(keep)) if groups is None else groups)
    share = float(np.clip(keep.mean(), CLIP, 1 - CLIP))
    return Quality(
        labels=len(keep),
        keeps=int(keep.sum()),
        auc=interval(ranking.auc(), [ranking.auc(one) for one in draws]),
        average_precision=interval(
            ranking.average_precision(), [ranking.average_precision(one) for one in draws]
        ),
        log_loss=interval(float(loss.mean()), draws @ loss / draws.sum(axis=1)),
        base_log_loss=float(-share * np.log(share) - (1 - share) * np.log(1 - share)),
        reliability=_reliability(score, keep),
    )


def _reliability(score: Floats, keep: Bools) -> list[Bin]:
    """Bins of equal width that hold a label."""
    number = np.minimum((score * BINS).astype(int), BINS - 1)
    return [
        Bin(float(score[held].mean()), float(keep[held].mean()), int(held.sum()))
        for held in (number == one for one in range(BINS))
        if held.any()
    ]
