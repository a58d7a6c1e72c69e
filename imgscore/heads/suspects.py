"""Labels that the rest of the library contradicts: most likely slips of the hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.base import Examples, Fitted
from imgscore.heads.measures import losses


class Suspect(NamedTuple):
    """row: of the examples. score: what the others would give it. twin: row of a near-duplicate
    with the opposite label, -1 where none. evidence: -ln of the probability of its label."""

    row: int
    score: float
    twin: int
    evidence: float


def suspects(examples: Examples, fitted: Fitted, most: int | None = None) -> list[Suspect]:
    """Contradicted labels, best evidence first.

    First come labels whose near-duplicates (examples.groups) mostly say the opposite, then those
    that heads trained without them give less than even odds.
    """
    score = fitted.held_out.score
    evidence = losses(score, examples.keep)
    twins = _twins(examples)
    outvoted = _outvoted(examples)
    order = np.lexsort((-evidence, ~outvoted))
    found = [
        Suspect(int(row), float(score[row]), int(twins[row]), float(evidence[row]))
        for row in order
        if outvoted[row] or evidence[row] > np.log(2)
    ]
    return found[:most]


def _outvoted(examples: Examples) -> Bools:
    """Rows whose group, without them, mostly carries the opposite label."""
    if examples.groups is None:
        return np.zeros(len(examples), bool)
    _, group = np.unique(examples.groups, return_inverse=True)
    votes = np.bincount(group, weights=np.where(examples.keep, 1.0, -1.0))[group]
    own = np.where(examples.keep, 1.0, -1.0)
    return np.asarray((votes - own) * own < 0)


def _twins(examples: Examples) -> Ints:
    """For each row one near-duplicate of the other kind, or -1."""
    twins = np.full(len(examples), -1)
    if examples.groups is None:
        return twins
    for kind in (True, False):
        numbers, first = np.unique(examples.groups[examples.keep == kind], return_index=True)
        rows = np.flatnonzero(examples.keep == kind)[first]
        others = np.flatnonzero(examples.keep != kind)
        place = np.searchsorted(numbers, examples.groups[others])
        place = np.minimum(place, len(numbers) - 1)
        same = numbers[place] == examples.groups[others]
        twins[others[same]] = rows[place[same]]
    return twins
