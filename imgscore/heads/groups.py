"""Find groups of near-duplicates, and split labels into folds that keep each group together.

With two frames of one burst in training and test, any head looks better than it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.features import Features

DUPLICATE_COSINE = 0.98
"""Cosine of two feature vectors from which two images are near-duplicates."""
BURST_SECONDS = 2.0
"""Seconds between two frames of one burst."""
BURST_COSINE = 0.8
"""Cosine from which two frames of a burst are near-duplicates: a camera may turn within 2 s."""
MAX_BURST_FRAMES = 30
"""Earlier frames with which a frame is compared. With a stopped clock, all frames would be near."""
SKETCH_DIRECTIONS = 96
"""Main directions that are compared first; they are the last columns of the features."""
ROW_BLOCK = 256
"""Rows compared with all others at once."""
FOLDS = 10
"""Folds of a cross-validation, if there are as many labels of each kind."""


def near_duplicates(
    embeddings: Half, features: Features, taken: NDArray[np.float64] | None = None
) -> Ints:
    """Group number of each row, int64 [n]; equal for images joined by a chain of near-duplicates.

    embeddings: float16 [n, d]. taken: float64 [n], EXIF time in seconds, NaN where unknown.
    Rows are compared along the main directions first, which misses no pair, then in all directions
    where they are close. Frames of a burst, found by time, are compared in all directions at once.
    """
    count = len(embeddings)
    parents = np.arange(count)
    if count < 2:
        return parents
    rows = features(embeddings)
    # The distance along some directions is at most the distance along all.
    sketch = rows[:, -SKETCH_DIRECTIONS:]
    squared_length = np.einsum("ij,ij->i", sketch, sketch)
    for start in range(0, count, ROW_BLOCK):
        block = sketch[start : start + ROW_BLOCK]
        distance = block @ sketch[start:].T
        distance *= -2
        distance += squared_length[start : start + ROW_BLOCK, None]
        distance += squared_length[start:]
        # Unit vectors: |x - y|² = 2 - 2 cosine.
        left, right = np.nonzero(distance <= 2 - 2 * DUPLICATE_COSINE + 1e-4)
        pairs = np.stack([left, right], axis=1)[right > left] + start
        _unite_similar(parents, pairs, rows, DUPLICATE_COSINE)
    if taken is not None:
        _unite_similar(parents, _bursts(taken), rows, BURST_COSINE)
    return _group_numbers(parents)


def _bursts(taken: NDArray[np.float64]) -> Ints:
    """Pairs of rows, int64 [p, 2], taken within BURST_SECONDS of each other."""
    order = np.argsort(taken, kind="stable")[: np.count_nonzero(np.isfinite(taken))]
    bursts = [np.empty((0, 2), np.int64)]
    for frames_between in range(1, MAX_BURST_FRAMES + 1):
        pairs = np.stack([order[:-frames_between], order[frames_between:]], axis=1)
        near = taken[pairs[:, 1]] - taken[pairs[:, 0]] <= BURST_SECONDS
        if not near.any():
            break
        bursts.append(pairs[near])
    return np.concatenate(bursts)


def _unite_similar(parents: Ints, pairs: Ints, rows: Floats, min_cosine: float) -> None:
    """Unite those of `pairs` whose cosine is at least `min_cosine`."""
    for block in np.array_split(pairs, len(pairs) // BLOCK_ROWS + 1):
        left, right = block.T
        cosine = np.einsum("ij,ij->i", rows[left], rows[right])
        for first, second in block[cosine >= min_cosine]:
            _unite(parents, int(first), int(second))


# Disjoint sets: parents[row] is another row of the same group, or the row itself for a root.


def _root(parents: Ints, row: int) -> int:
    """The root of a row's group; shortens the path to it."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _unite(parents: Ints, first: int, second: int) -> None:
    smaller, larger = sorted((_root(parents, first), _root(parents, second)))
    parents[larger] = smaller


def _group_numbers(parents: Ints) -> Ints:
    """The group of each row, numbered from 0 in order of first appearance."""
    roots = [_root(parents, row) for row in range(len(parents))]
    return np.unique(roots, return_inverse=True)[1]


def split(keep: Bools, groups: Ints | None = None, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Fold of each row, int64 [n]: groups stay together, keep and trash are spread evenly.

    The number of folds is at most that of the rarer kind's labels, and at least 2. The rest of each
    fold then has labels of both kinds, unless one group has all labels of a kind.
    """
    rarer = int(min(keep.sum(), len(keep) - keep.sum()))
    folds = max(2, min(folds, rarer))
    groups = np.arange(len(keep)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    keeps = np.bincount(group, weights=keep)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Large groups first; the small ones then fill the gaps.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_labels = np.zeros((folds, 2))
    fold = np.empty(len(sizes), np.int64)
    for number in order:
        kinds = np.array([keeps[number], sizes[number] - keeps[number]])
        # The fold with the fewest labels of the group's kinds, then with the fewest labels.
        load = fold_labels @ (kinds / sizes[number])
        chosen = int(np.lexsort((fold_labels.sum(axis=1), load))[0])
        fold[number] = chosen
        fold_labels[chosen] += kinds
    return fold[group]
