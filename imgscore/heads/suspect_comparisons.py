"""Find comparisons of two images that the other answers contradict. They may be mistakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.base import Examples, Fitted


class SuspectComparison(NamedTuple):
    """A comparison that the other answers contradict.

    `row`: the index of the comparison in the examples.
    `evidence`: -ln of the held-out probability of the answer.
    """

    row: int
    evidence: float


def suspect_comparisons(
    examples: Examples, fitted: Fitted, limit: int | None = None
) -> list[SuspectComparison]:
    """Return at most `limit` comparisons that the other answers contradict.

    `limit`: None means that all contradicted comparisons are returned.

    A comparison is contradicted in three cases. In the first case, the worse image has a label of a
    higher grade than the better image. In the second case, the answer is part of a circle: a is
    better than b, b than c, and c than a; of the three answers, the one with the strongest evidence
    counts. In the third case, the held-out probability of the answer is below 0.5. An answer "same"
    is never contradicted, because it is never improbable.

    The comparisons of the first two cases are first in the list. Otherwise, the list is sorted by
    evidence, the strongest evidence first. The list is empty if the head does not use comparisons.
    """
    if not len(fitted.comparison_odds):
        return []
    evidence = np.logaddexp(0, -fitted.comparison_odds.astype(np.float64))
    decided = examples.comparisons[:, 2] == 0
    contradicted = _against_labels(examples) | _weakest_of_circles(examples.comparisons, evidence)
    order = np.lexsort((-evidence, ~contradicted))
    return [
        SuspectComparison(int(row), float(evidence[row]))
        for row in order
        if decided[row] and (contradicted[row] or evidence[row] > np.log(2))
    ][:limit]


def _against_labels(examples: Examples) -> Bools:
    """Return bool [p]: True if the worse image has a label of a higher grade than the better."""
    others = 0 if examples.compared is None else len(examples.compared)
    # The comparison with NaN is false.
    grades = np.concatenate([examples.grades, np.full(others, np.nan, np.float32)])
    better, worse, same = examples.comparisons.T
    return np.asarray((grades[better] < grades[worse]) & (same == 0))


def _weakest_of_circles(comparisons: Ints, evidence: np.ndarray) -> Bools:
    """Return bool [p]: True for the answer with the strongest evidence in a circle of three.

    `evidence`: [p], the evidence against each answer.
    """
    number = {
        (better, worse): row
        for row, (better, worse, same) in enumerate(comparisons.tolist())
        if not same
    }
    beaten: dict[int, list[int]] = {}
    for better, worse in number:
        beaten.setdefault(better, []).append(worse)
    found = np.zeros(len(comparisons), bool)
    for (first, second), row in number.items():
        for third in beaten.get(second, ()):
            last = number.get((third, first))
            # Each circle is found from each of its answers. Use it once.
            if last is not None and first < min(second, third):
                circle = [row, number[second, third], last]
                found[max(circle, key=lambda answer: evidence[answer])] = True
    return found
