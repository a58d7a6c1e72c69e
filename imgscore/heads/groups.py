"""Split labels into folds that keep similar images together.

If an image is used for training and its changed copy for the test, the measured quality is too
high. Folds that keep them together prevent this error.
"""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import Bools, Ints
from imgscore.heads.components import find_root, group_numbers, roots_of, shortened
from imgscore.heads.sides import smaller_side
from imgscore.heads.similar import Pairs

MAX_GROUP_SHARE = 0.1
"""The largest share of all labels that a group may have if it is joined by distance ratios only. A
larger group would make the folds unequal."""
PAIR_BLOCK = 2000
"""The number of pairs that are compared with the groups at once. In larger blocks, more pairs are
compared one by one, because their groups have changed since the beginning of the block."""
FOLDS = 10
"""The largest number of folds of a cross-validation. There are fewer folds if one side of the
labels (see sides.py) has fewer than FOLDS labels."""


def fold_groups(pairs: Pairs) -> Ints:
    """Return the group number of each row as int64 [n]: images of a group must be in one fold.

    Nearest pairs are joined first. A pair that is similar only by its distance ratio is not joined
    if the group would be larger than MAX_GROUP_SHARE of all images.
    """
    certain = pairs.certain
    roots = roots_of(pairs.rows[certain], pairs.images)
    order = np.argsort(pairs.ratio[~certain], kind="stable")
    return _joined(roots, pairs.rows[~certain][order])


def _joined(roots: Ints, pairs: Ints) -> Ints:
    """Return the group number of each row after its group has been joined with others.

    `roots`: int64 [n], the smallest row of the group of each row. `pairs`: int64 [p, 2], the pairs
    that join groups, one after the other, unless the group would be larger than MAX_GROUP_SHARE of
    all rows.
    """
    limit = max(MAX_GROUP_SHARE * len(roots), 2)
    parents, sizes = roots.copy(), np.bincount(roots, minlength=len(roots))
    for start in range(0, len(pairs), PAIR_BLOCK):
        # Most pairs join rows that are in one group already, or groups that are too large. They are
        # left out at once, because a loop needs a microsecond for each pair.
        parents = shortened(parents)
        ends = parents[pairs[start : start + PAIR_BLOCK]]
        first, second = sizes[ends].T
        useful = (ends[:, 0] != ends[:, 1]) & (first + second <= limit)
        for one, other in ends[useful].tolist():
            left, right = sorted((find_root(parents, one), find_root(parents, other)))
            if left != right and sizes[left] + sizes[right] <= limit:
                sizes[left] += sizes[right]
                parents[right] = left
    return group_numbers(shortened(parents))


def split(upper: Bools, groups: Ints | None = None, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Return the fold number of each row as int64 [n].

    `upper`: bool [n], True for each label of the upper side, such as keep; see sides.py.

    Each group is in one fold. The labels of each side are spread evenly over the folds.

    The number of folds is at most the number of labels of the smaller side, and at least 2. If one
    fold is left out, the other folds therefore contain labels of both sides. The only exception: if
    all labels of one side are in one group, one fold contains all of them.
    """
    folds = max(2, min(folds, smaller_side(upper)))
    groups = np.arange(len(upper)) if groups is None else groups
    return _deal(np.stack([upper, ~upper], axis=1), groups, folds, seed)


def split_answers(
    upper: Bools, comparisons: Ints, groups: Ints, folds: int = FOLDS, seed: int = 0
) -> Ints:
    """Return the fold number of each labelled and each compared image, as int64 [n + c].

    `upper`: bool [n], as in `split`. `comparisons`, `groups`: int64 [p, 3] and [n + c], as in
    base.Examples. Without comparisons, the result is that of `split`.

    A comparison between two folds is missing in the heads of both folds. The two images of a
    comparison are therefore in one fold, unless their group would be larger than MAX_GROUP_SHARE of
    all images. There are `folds` folds, also if one side has fewer labels.
    """
    if not len(comparisons):
        return split(upper, groups, folds, seed)
    _, first = np.unique(groups, return_index=True)
    _, group = np.unique(groups, return_inverse=True)
    joined = _joined(first[group], comparisons[:, :2])
    kinds = np.zeros((len(groups), 3), bool)
    kinds[: len(upper), 0], kinds[: len(upper), 1], kinds[len(upper) :, 2] = upper, ~upper, True
    return _deal(kinds, joined, max(2, min(folds, int(joined.max()) + 1)), seed)


def _deal(kinds: Bools, groups: Ints, folds: int, seed: int) -> Ints:
    """Deal the groups to folds. Return the fold number of each row as int64 [n].

    `kinds`: bool [n, k], True for the kind of each row. Each kind is spread evenly over the folds.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    totals = np.stack([np.bincount(group, weights=kind) for kind in kinds.T], axis=1)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Sort the groups by size, the largest first. The small groups are placed last, so that the
    # folds have almost equal sizes.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_rows = np.zeros((folds, kinds.shape[1]))
    fold = np.empty(len(sizes), np.int64)
    for number in order:
        # Choose the fold with the fewest rows of the group's kinds. If several folds have equally
        # few, choose the fold with the fewest rows of all kinds.
        load = fold_rows @ (totals[number] / sizes[number])
        chosen = int(np.lexsort((fold_rows.sum(axis=1), load))[0])
        fold[number] = chosen
        fold_rows[chosen] += totals[number]
    return fold[group]
