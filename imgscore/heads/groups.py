"""Near-duplicates in one group, and folds that never part a group.

Two frames of one burst in train and test make any head look better than it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK, Bools, Floats, Half, Ints
from imgscore.heads.features import Features

ALIKE = 0.98
"""Cosine of two feature vectors from which they count as one image."""
BURST = 2.0
"""Seconds between two frames of one burst."""
BURST_ALIKE = 0.8
"""Frames of one burst must still look alike: a camera may turn around within two seconds."""
FRAMES = 30
"""A frame is compared with so many that were taken before it: a clock may stand still."""
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
    those are close; frames of a burst, found by their time, in full at once.
    """
    count = len(embeddings)
    parents = np.arange(count)
    if count < 2:
        return parents
    rows = features(embeddings)
    # some coordinates of a vector are never farther apart than all of them
    sketch = rows[:, -SKETCH:]
    length = np.einsum("ij,ij->i", sketch, sketch)
    for start in range(0, count, ROWS):
        part = sketch[start : start + ROWS]
        distance = part @ sketch[start:].T
        distance *= -2
        distance += length[start : start + ROWS, None]
        distance += length[start:]
        # unit vectors: |x - y|² = 2 - 2 cos
        left, right = np.nonzero(distance <= 2 - 2 * ALIKE + 1e-4)
        pairs = np.stack([left, right], axis=1)[right > left] + start
        _unite_alike(parents, pairs, rows, ALIKE)
    if taken is not None:
        _unite_alike(parents, _bursts(taken), rows, BURST_ALIKE)
    return _roots(parents)


def _bursts(taken: NDArray[np.float64]) -> Ints:
    """Pairs of rows, int64 [p, 2], taken within BURST of each other."""
    order = np.argsort(taken, kind="stable")[: np.count_nonzero(np.isfinite(taken))]
    found = [np.empty((0, 2), np.int64)]
    for apart in range(1, FRAMES + 1):
        pairs = np.stack([order[:-apart], order[apart:]], axis=1)
        near = taken[pairs[:, 1]] - taken[pairs[:, 0]] <= BURST
        if not near.any():
            break
        found.append(pairs[near])
    return np.concatenate(found)


def _unite_alike(parents: Ints, pairs: Ints, rows: Floats, least: float) -> None:
    """Unite those of `pairs` whose cosine is at least `least`."""
    for some in np.array_split(pairs, len(pairs) // BLOCK + 1):
        left, right = some.T
        cosine = np.einsum("ij,ij->i", rows[left], rows[right])
        for one, other in some[cosine >= least]:
            _unite(parents, int(one), int(other))


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
