"""Find groups of near-duplicates, and split labels into folds that keep each group together.

The frames (photographs) of one burst are almost equal. If one frame is used for training and
another frame for the test, the measured quality is too high. Folds that keep groups together
prevent this error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.features import Features

DUPLICATE_COSINE = 0.98
"""The smallest cosine of two feature vectors at which two images are near-duplicates."""
BURST_SECONDS = 2.0
"""The largest number of seconds between two frames (photographs) of one burst."""
BURST_COSINE = 0.8
"""The smallest cosine at which two frames of a burst are near-duplicates. A short time between two
frames is not enough, because a camera may turn within 2 s."""
MAX_BURST_FRAMES = 30
"""The largest number of earlier frames with which a frame is compared. If the clock of a camera has
stopped, all frames of this camera have equal times. Without this limit, each frame would be
compared with all others."""
SKETCH_DIRECTIONS = 96
"""The number of main directions along which images are compared first. The main directions are the
last columns of the feature vectors."""
ROW_BLOCK = 256
"""The number of rows that are compared with all other rows at once."""
FOLDS = 10
"""The largest number of folds of a cross-validation. There are fewer folds if one kind of label
(keep or trash) has fewer than FOLDS labels."""


def near_duplicates(
    embeddings: Half, features: Features, taken: NDArray[np.float64] | None = None
) -> Ints:
    """Return the group number of each row as int64 [n].

    Two images have equal numbers if a chain of near-duplicates joins them.
    `embeddings`: float16 [n, d].
    `taken`: float64 [n], the EXIF times in seconds, NaN if unknown.

    All rows are first compared along the main directions only. This step finds every pair of
    near-duplicates, but also other pairs. In the second step, these pairs are compared along all
    directions. Frames of a burst are found by their times. They are compared along all directions
    immediately.
    """
    count = len(embeddings)
    parents = np.arange(count)
    if count < 2:
        return parents
    rows = features(embeddings)
    # The distance along some directions (the sketch) is at most the distance along all directions.
    # The sketches of near-duplicates are therefore also near to each other.
    sketch = rows[:, -SKETCH_DIRECTIONS:]
    squared_length = np.einsum("ij,ij->i", sketch, sketch)
    for start in range(0, count, ROW_BLOCK):
        block = sketch[start : start + ROW_BLOCK]
        distance = block @ sketch[start:].T
        distance *= -2
        distance += squared_length[start : start + ROW_BLOCK, None]
        distance += squared_length[start:]
        # For unit vectors x and y, |x - y|² = 2 - 2 cosine.
        left, right = np.nonzero(distance <= 2 - 2 * DUPLICATE_COSINE + 1e-4)
        pairs = np.stack([left, right], axis=1)[right > left] + start
        _unite_similar(parents, pairs, rows, DUPLICATE_COSINE)
    if taken is not None:
        _unite_similar(parents, _bursts(taken), rows, BURST_COSINE)
    return _group_numbers(parents)


def _bursts(taken: NDArray[np.float64]) -> Ints:
    """Return pairs of rows, int64 [p, 2], with at most BURST_SECONDS between their times."""
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
    """For each pair of rows with a cosine of at least `min_cosine`, unite their two groups."""
    for block in np.array_split(pairs, len(pairs) // BLOCK_ROWS + 1):
        left, right = block.T
        cosine = np.einsum("ij,ij->i", rows[left], rows[right])
        for first, second in block[cosine >= min_cosine]:
            _unite(parents, int(first), int(second))


# The groups are stored as disjoint sets. The parent of a row, parents[row], is a row of the same
# group. Only the root of a group is the parent of itself.


def _root(parents: Ints, row: int) -> int:
    """Return the root of a row's group, and shorten the path from the row to the root."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _unite(parents: Ints, first: int, second: int) -> None:
    smaller, larger = sorted((_root(parents, first), _root(parents, second)))
    parents[larger] = smaller


def _group_numbers(parents: Ints) -> Ints:
    """Return the group number of each row.

    The groups are numbered from 0, in the order of the first row of each group.
    """
    roots = [_root(parents, row) for row in range(len(parents))]
    return np.unique(roots, return_inverse=True)[1]


def split(keep: Bools, groups: Ints | None = None, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Return the fold number of each row as int64 [n].

    Each group is in one fold. The keep labels and the trash labels are spread evenly over the
    folds.

    The number of folds is at most the number of labels of the rarer kind (keep or trash), and at
    least 2. If one fold is left out, the other folds therefore contain labels of both kinds. The
    only exception: if all labels of one kind are in one group, one fold contains all of them.
    """
    rarer = int(min(keep.sum(), len(keep) - keep.sum()))
    folds = max(2, min(folds, rarer))
    groups = np.arange(len(keep)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    keeps = np.bincount(group, weights=keep)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Sort the groups by size, the largest first. The small groups are placed last, so that the
    # folds have almost equal sizes.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_labels = np.zeros((folds, 2))
    fold = np.empty(len(sizes), np.int64)
    for number in order:
        kinds = np.array([keeps[number], sizes[number] - keeps[number]])
        # Choose the fold with the fewest labels of the group's kinds. If several folds have equally
        # few, choose the fold with the fewest labels of all kinds.
        load = fold_labels @ (kinds / sizes[number])
        chosen = int(np.lexsort((fold_labels.sum(axis=1), load))[0])
        fold[number] = chosen
        fold_labels[chosen] += kinds
    return fold[group]
