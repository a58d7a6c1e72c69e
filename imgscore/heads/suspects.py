"""Find labels that the other labels contradict: they are probably mistakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.base import Examples, Fitted
from imgscore.heads.measures import losses


class Suspect(NamedTuple):
    """A contradicted label.

    row: index in the examples. score: held out. twin: row of a near-duplicate with the opposite
    label, or -1. evidence: -ln of the held-out probability of its label.
    """

    row: int
    score: float
    twin: int
    evidence: float


def suspects(examples: Examples, fitted: Fitted, limit: int | None = None) -> list[Suspect]:
    """At most `limit` contradicted labels: first the outvoted ones, each part by evidence.

    A label is outvoted if most of its near-duplicates (examples.groups) have the opposite one.
    Other labels are contradicted if their held-out probability is below 0.5.
    """
    score = fitted.held_out.score
    evidence = losses(score, examples.keep)
    twins = _twins(examples)
    outvoted = _outvoted(examples)
    order = np.lexsort((-evidence, ~outvoted))
    contradicted = [
        Suspect(int(row), float(score[row]), int(twins[row]), float(evidence[row]))
        for row in order
        if outvoted[row] or evidence[row] > np.log(2)
    ]
    return contradicted[:limit]


def _outvoted(examples: Examples) -> Bools:
    """Rows bool [n] for which most of the rest of their group has the opposite label."""
    if examples.groups is None:
        return np.zeros(len(examples), bool)
    _, group = np.unique(examples.groups, return_inverse=True)
    votes = np.bincount(group, weights=np.where(examples.keep, 1.0, -1.0))[group]
    own = np.where(examples.keep, 1.0, -1.0)
    return np.asarray((votes - own) * own < 0)


def _twins(examples: Examples) -> Ints:
    """For each row, the row of a near-duplicate with the opposite label, or -1: int64 [n]."""
    twins = np.full(len(examples), -1)
    if examples.groups is None:
        return twins
    for kind in (True, False):
        numbers, first = np.unique(examples.groups[examples.keep == kind], return_index=True)
        rows = np.flatnonzero(examples.keep == kind)[first]
        opposite = np.flatnonzero(examples.keep != kind)
        position = np.searchsorted(numbers, examples.groups[opposite])
        position = np.minimum(position, len(numbers) - 1)
        same = numbers[position] == examples.groups[opposite]
        twins[opposite[same]] = rows[position[same]]
    return twins
