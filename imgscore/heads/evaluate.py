"""Evaluate a recipe on a person's labels, and predict its AUC for twice as many labels.

With grades, the pairwise accuracy takes the place of the AUC. It is the AUC if there are only keep
and trash labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from imgscore.errors import UsageError
from imgscore.heads.arrays import Floats, Ints
from imgscore.heads.base import Examples, Fitted, Recipe
from imgscore.heads.drift import measured
from imgscore.heads.measures import Ranking, pair_quality, quality, resample
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Evaluation, Point
from imgscore.heads.sides import MIN_SIDE, smaller_side

DRAWS = 2
"""The number of heads that are trained for each point of the learning curve. It is small, because
one training can take seconds."""
MIN_POINT_LABELS = 10
"""The smallest number of labels at a point of the learning curve. Each further point has twice as
many labels as the point before it."""
MAX_POINTS = 4
"""The largest number of points of the learning curve, not including the last point. Points with
even fewer labels would have little effect on the trend at the end of the curve."""
MAX_TESTED = 2000
"""The largest number of labels on which the heads of one point of the learning curve are tested."""
MAX_POINT_LABELS = 2000
"""The largest number of labels on which the heads of one point of the learning curve are trained.
The last point may have more labels, because the AUC of the last point is computed by the
cross-validation."""
DOUBTFUL_DISTANCE = 0.4
"""The distance between the grade and the score of an image beyond which the label is doubtful. It
is that of the original recipe."""
MIN_ERROR = 1e-4
"""The smallest value of 1 - AUC for the fit of the curve. An AUC of 1 would give 0, whose logarithm
is infinite."""


def evaluate(
    examples: Examples,
    *,
    kind: str = AUTO,
    settings: Mapping[str, Any] | None = None,
    fitted: Fitted | None = None,
    stop: Callable[[], bool] = lambda: False,
    device: str = "cpu",
) -> Evaluation:
    """Cross-validate with all labels, and train with fewer labels for the learning curve.

    `fitted`: the result of `Recipe.fit` on these examples, if it is already computed, else None.
    `stop`: a function that is called after each point. If it returns True, the remaining points are
    left out. Points with more labels are computed first.
    `device`: the device of the config, for a recipe that can use a GPU.

    For the prediction, the power law 1 - AUC = a · n^-b for n labels (Cortes et al. 1993) is fitted
    to the curve. After a change of the taste, only recent labels are measured (see drift.py). If
    only comparisons of two images made the head, no label can be measured. Raises UsageError if
    there are too few labels and comparisons.
    """
    fitted = fitted or recipe(kind, device).fit(examples, None, settings)
    pairs = None
    if len(fitted.comparison_odds):
        pairs = pair_quality(fitted.comparison_odds, examples.comparisons, examples.all_groups)
    if not examples.is_calibrated:
        return Evaluation(fitted.head.kind, None, [], None, pairs=pairs)
    tested = measured(fitted.recency, examples.upper)
    examples, score = examples.take(tested), fitted.held_out.score[tested]
    cross_validated = quality(score, examples.grades, examples.groups)
    ranking = Ranking(score, examples.grades)
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    deviation = float(np.std([ranking.pairwise(draw) for draw in resample(groups)]))
    curve = [Point(len(examples), ranking.pairwise(), deviation)]
    sizes = [
        size
        for size in _sizes(len(examples))
        if smaller_side(examples.upper) * size >= MIN_SIDE * len(examples)
    ]
    while sizes and not (len(curve) > 1 and stop()):
        curve.insert(0, _point(examples, sizes.pop(), recipe(kind, device), fitted.head.settings))
    doubled = _extrapolate(curve, 2 * len(examples))
    changed = fitted.recency is not None
    return Evaluation(fitted.head.kind, cross_validated, curve, doubled, len(sizes), pairs, changed)


def doubtful(score: Floats, grades: Floats) -> Ints:
    """Return the rows whose score is far from their grade, the farthest first.

    `score`: the held-out scores [n]. `grades`: float32 [n], 0 for trash and 1 for keep. The
    distance of a score from its grade is larger than DOUBTFUL_DISTANCE.
    """
    distance = np.abs(score - grades)
    order = np.argsort(-distance, kind="stable")
    return np.asarray(order[distance[order] > DOUBTFUL_DISTANCE], np.int64)


def _sizes(count: int) -> list[int]:
    """Return the number of labels of each point before the last point.

    `count`: the number of all labels. Each of these points has at most half of all labels.
    """
    sizes = []
    size = MIN_POINT_LABELS
    while size <= min(count // 2, MAX_POINT_LABELS):
        sizes.append(size)
        size *= 2
    return sizes[-MAX_POINTS:]


def _point(examples: Examples, count: int, method: Recipe, settings: Mapping[str, Any]) -> Point:
    """Return the point of the learning curve for `count` labels.

    DRAWS heads are trained on `count` labels each, and on the comparisons of these images and of
    images without a label. They are tested on labels of other groups, which contain no
    near-duplicates of the training images.
    """
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    aucs = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(examples))
        train = _with_both(examples, order, count)
        known = groups[train]
        if examples.compared_groups is not None:
            known = np.concatenate([known, examples.compared_groups])
        rest = order[~np.isin(groups[order], known)][:MAX_TESTED]
        if len(np.unique(examples.grades[rest])) < 2:
            continue
        head = method.fit_head(examples.take(train), settings)
        extras = None if examples.extras is None else examples.extras[rest]
        score = head.score(examples.embeddings[rest], extras).score
        aucs.append(Ranking(score, examples.grades[rest]).pairwise())
    if not aucs:
        raise UsageError("all labelled images are near-duplicates", "label other images, too")
    return Point(count, float(np.mean(aucs)), float(np.std(aucs)))


def _with_both(examples: Examples, order: Ints, count: int) -> Ints:
    """Return the first `count` rows of `order`, with labels of both sides among them.

    Before the rows are chosen, two labels of each side (such as keep and trash) are moved to the
    beginning of the order.
    """
    upper = examples.upper[order]
    first = np.concatenate([np.flatnonzero(upper)[:2], np.flatnonzero(~upper)[:2]])
    rest = np.setdiff1d(np.arange(len(order)), first)
    chosen: Ints = order[np.concatenate([first, rest])[:count]]
    return chosen


def _extrapolate(curve: list[Point], labels: int) -> float | None:
    """Return the AUC that the power law of the curve predicts for `labels` labels.

    The result is at least the AUC of the last point. It is None if the curve has fewer than three
    points.
    """
    if len(curve) < 3:
        return None
    size = np.log([point.labels for point in curve])
    error = np.log([max(1 - point.auc, MIN_ERROR) for point in curve])
    # Points with more labels have less noise and therefore get a larger weight.
    weights = np.sqrt([point.labels for point in curve])
    slope, intercept = np.polyfit(size, error, 1, w=weights)
    return float(max(1 - np.exp(intercept + slope * np.log(labels)), curve[-1].auc))
