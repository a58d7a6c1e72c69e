"""Held-out figures of a person's own labels, and what twice as many would bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from imgscore.errors import UsageError
from imgscore.heads.arrays import Ints
from imgscore.heads.base import MIN_LABELS, Examples, Fitted
from imgscore.heads.measures import Ranking, quality
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Evaluation, Point

DRAWS = 2
"""Heads trained for each point. With few labels each asks the whole library, for seconds."""
SMALLEST = 10
POINTS = 4
"""Points before the last: what lies farther back says little of what comes."""
STEP = 2
TESTED = 2000
LARGEST = 2000
"""Most labels of a point drawn by training anew; the last point is the cross-validation."""
TINY = 1e-4


def evaluate(
    examples: Examples,
    *,
    kind: str = AUTO,
    settings: Mapping[str, Any] | None = None,
    fitted: Fitted | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Cross-validate all labels, and train on fewer to draw the learning curve.

    `fitted`: what `fit` made of these examples, where that is known. `enough` is asked after each
    point, from the one with most labels down: once it says so, the others are left out.

    The curve's error follows a · n^-b (Cortes et al. 1993), fitted to the points and
    carried on to 2n. Raises UsageError where labels are too few.
    """
    fitted = fitted or recipe(kind).fit(examples, None, settings)
    whole = quality(fitted.held_out.score, examples.keep, examples.groups)
    width = whole.auc.high - whole.auc.low
    curve = [Point(len(examples), whole.auc.value, width / 3.92)]
    sizes = [
        size
        for size in _sizes(len(examples))
        if _rarer(examples) * size >= MIN_LABELS * len(examples)
    ]
    while sizes and not (len(curve) > 1 and enough()):
        curve.insert(0, _point(examples, sizes.pop(), kind, fitted.head.settings))
    doubled = _extrapolate(curve, 2 * len(examples))
    return Evaluation(fitted.head.kind, whole, curve, doubled, len(sizes))


def _rarer(examples: Examples) -> int:
    keeps = int(examples.keep.sum())
    return min(keeps, len(examples) - keeps)


def _sizes(count: int) -> list[int]:
    """Sizes of the curve's earlier points: POINTS doublings from SMALLEST, at most half of all."""
    sizes = []
    size = SMALLEST
    while size <= min(count // 2, LARGEST):
        sizes.append(size)
        size *= STEP
    return sizes[-POINTS:]


def _point(examples: Examples, count: int, kind: str, settings: Mapping[str, Any]) -> Point:
    """Train on `count` labels, rank those of other groups; a few times."""
    groups: Ints = np.arange(len(examples)) if examples.groups is None else examples.groups
    found = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(examples))
        train = _with_both(examples, order, count)
        rest = order[~np.isin(groups[order], groups[train])][:TESTED]
        if len(np.unique(examples.keep[rest])) < 2:
            continue
        head = recipe(kind).fit(examples.take(train), None, settings).head
        extras = None if examples.extras is None else examples.extras[rest]
        score = head.score(examples.embeddings[rest], extras).score
        found.append(Ranking(score, examples.keep[rest]).auc())
    if not found:
        raise UsageError("all labelled images are near-duplicates", "label some others")
    return Point(count, float(np.mean(found)), float(np.std(found)))


def _with_both(examples: Examples, order: Ints, count: int) -> Ints:
    """The first `count` of `order`, with at least LEAST_LABELS of each kind brought forward."""
    keep = examples.keep[order]
    first = np.concatenate([np.flatnonzero(keep)[:2], np.flatnonzero(~keep)[:2]])
    rest = np.setdiff1d(np.arange(len(order)), first)
    chosen: Ints = order[np.concatenate([first, rest])[:count]]
    return chosen


def _extrapolate(curve: list[Point], labels: int) -> float | None:
    """The AUC at `labels` on the power law through the curve; never below its last point."""
    if len(curve) < 3:
        return None
    size = np.log([one.labels for one in curve])
    error = np.log([max(1 - one.auc, TINY) for one in curve])
    # points with more labels are the better guide
    slope, height = np.polyfit(size, error, 1, w=np.sqrt([one.labels for one in curve]))
    return float(max(1 - np.exp(height + slope * np.log(labels)), curve[-1].auc))
