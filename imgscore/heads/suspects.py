"""Find labels that the other labels contradict. Such labels are probably mistakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.grades import UNDECIDED
from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.base import Examples, Fitted
from imgscore.heads.measures import divergences


class Suspect(NamedTuple):
    """A label that the other labels contradict.

    `row`: the index of the label in the examples.
    `score`: the held-out score of the image.
    `twin`: the row of a near-duplicate with the opposite label, or -1 if there is none.
    `evidence`: the divergence of the held-out score from the label, in nats. For a keep or trash
    label, it is -ln of the held-out probability of the label.
    """

    row: int
    score: float
    twin: int
    evidence: float


def suspects(examples: Examples, fitted: Fitted, limit: int | None = None) -> list[Suspect]:
    """Return at most `limit` labels that the other labels contradict.

    `limit`: None means that all contradicted labels are returned.

    A label is contradicted in two cases. In the first case, most near-duplicates of the image (see
    `Examples.copies`) have the opposite label. In the second case, the distance of the held-out
    score from the grade is larger than half of the distance between the lowest and the highest
    grade: for keep and trash, the held-out probability of the label is below 0.5. Opposite labels
    are a label above 0.5 and a label below 0.5.

    The labels of the first case are first in the list. The labels of each case are sorted by
    evidence, the strongest evidence first. The list is empty if the labels cannot calibrate scores
    (see Examples.is_calibrated), because the evidence is then unknown.
    """
    if not examples.is_calibrated:
        return []
    score = fitted.held_out.score
    evidence = divergences(score, examples.grades)
    distance = np.abs(score - examples.grades)
    twins = _twins(examples)
    outvoted = _outvoted(examples)
    order = np.lexsort((-evidence, ~outvoted))
    contradicted = [
        Suspect(int(row), float(score[row]), int(twins[row]), float(evidence[row]))
        for row in order
        if outvoted[row] or distance[row] > np.ptp(examples.grades) / 2
    ]
    return contradicted[:limit]


def contradicting(examples: Examples, suspect: Suspect) -> Bools:
    """Return bool [n]: True for each label that contradicts the label of `suspect`.

    These are the trash labels if the suspect label is keep, and the keep labels if it is trash. If
    it is undecided, they are the labels on the side of the score.
    """
    grade = float(examples.grades[suspect.row])
    higher = suspect.score > UNDECIDED if grade == UNDECIDED else grade < UNDECIDED
    return examples.keep if higher else examples.trash


def _outvoted(examples: Examples) -> Bools:
    """Return bool [n]: True if most other labels in the row's group contradict the row's label."""
    if examples.copies is None:
        return np.zeros(len(examples), bool)
    _, group = np.unique(examples.copies, return_inverse=True)
    own = np.sign(examples.grades - UNDECIDED).astype(np.float64)
    votes = np.bincount(group, weights=own)[group]
    return np.asarray((votes - own) * own < 0)


def _twins(examples: Examples) -> Ints:
    """For each row, return a near-duplicate with the opposite label, as a row number int64 [n].

    The value is -1 if a row has no near-duplicate with the opposite label.
    """
    twins = np.full(len(examples), -1)
    if examples.copies is None:
        return twins
    keep, trash = examples.keep, examples.trash
    if not keep.any() or not trash.any():
        return twins
    for side, other in ((keep, trash), (trash, keep)):
        numbers, first = np.unique(examples.copies[side], return_index=True)
        rows = np.flatnonzero(side)[first]
        opposite = np.flatnonzero(other)
        position = np.searchsorted(numbers, examples.copies[opposite])
        position = np.minimum(position, len(numbers) - 1)
        same = numbers[position] == examples.copies[opposite]
        twins[opposite[same]] = rows[position[same]]
    return twins
