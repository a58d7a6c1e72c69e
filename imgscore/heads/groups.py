"""Near-duplicates in one group, and folds that never part a group.

Two frames of one burst in train and test make any head look better than it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.base import Bools, Floats, Half, Ints
from imgscore.heads.features import BLOCK, Features

ALIKE = 0.98
"""Cosine of two feature vectors from which they count as one image."""
BURST = 2.0
"""Seconds between two frames of one burst."""
BURST_ALIKE = 0.8
"""Frames of one burst must still look alike: a camera may turn around within two seconds."""
SKETCH = 96
"""Main directions compared first; the features' last columns are the main ones."""
ROWS = 256
FOLDS = 10


def near_duplicates(
    embeddings: Half, features: Features, taken: NDArray[np.float64] | None = None
) -> Ints:
    """Group number of each row, int64 [n]; equal for chains of near-duplicates.

    embeddings: float16 [n, d]. taken: float64 [n], seconds of EXIF time, NaN where unknown.
    Rows are compared on SKETCH main directions first, which misses no pair, and in full where
    those are close.
    """
    count = len(embeddings)
    parents = np.arange(count)
    if count < 2:
        return parents
    times = np.full(count, np.nan) if taken is None else taken
    rows = features(embeddings)
    # some coordinates of a vector are never farther apart than all of them
    sketch = rows[:, -SKETCH:]
    loosest = BURST_ALIKE if np.isfinite(times).any() else ALIKE
    length = np.einsum("ij,ij->i", sketch, sketch)
    for start in range(0, count, ROWS):
        part = sketch[start : start + ROWS]
        distance = part @ sketch[start:].T
        distance *= -2
        distance += length[start : start + ROWS, None]
        distance += length[start:]
        # unit vectors: |x - y|² = 2 - 2 cos
        left, right = np.nonzero(distance <= 2 - 2 * loosest + 1e-4)
        pairs = np.stack([left, right], axis=1)[right > left] + start
        for some in np.array_split(pairs, len(pairs) // BLOCK + 1):
            for one, other in some[_alike(some, rows, times)]:
                _unite(parents, int(one), int(other))
    return _roots(parents)


def _alike(pairs: Ints, rows: Floats, times: NDArray[np.float64]) -> Bools:
    """Which candidate pairs, int64 [p, 2], are alike in full."""
    left, right = pairs.T
    cosine = np.einsum("ij,ij->i", rows[left], rows[right])
    burst = (np.abs(times[left] - times[right]) <= BURST) & (cosine >= BURST_ALIKE)
    return np.asarray((cosine >= ALIKE) | burst)


def _find(parents: Ints, one: int) -> int:
    while parents[one] != one:
        parents[one] = parents[parents[one]]
        one = int(parents[one])
    return one


def _unite(parents: Ints, one: int, other: int) -> None:
    first, second = sorted((_find(parents, one), _find(parents, other)))
    parents[second] = first


def _roots(parents: Ints) -> Ints:
    """Follow every chain to its end; numbers are then 0 … in order of first appearance."""
    return np.unique([_find(parents, one) for one in range(len(parents))], return_inverse=True)[1]


def split(keep: Bools, groups: Ints | None = None, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Fold number of each row, int64 [n]: groups whole, keep and trash spread evenly.

    There are at most as many folds as labels of the rarer kind, and at least 2, so that no
    training part lacks a kind unless one group holds all of it.
    """
    rarer = int(min(keep.sum(), len(keep) - keep.sum()))
    folds = max(2, min(folds, rarer))
    groups = np.arange(len(keep)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    keeps = np.bincount(group, weights=keep)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # large groups first: the small ones then even out what they left
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros((folds, 2))
    fold = np.empty(len(sizes), np.int64)
    for one in order:
        kinds = np.array([keeps[one], sizes[one] - keeps[one]])
        # the fold that has least of what this group brings
        load = filled @ (kinds / sizes[one])
        chosen = int(np.lexsort((filled.sum(axis=1), load))[0])
        fold[one] = chosen
        filled[chosen] += kinds
    return fold[group]
