"""The groups of rows that pairs join: the connected components of a graph.

The groups are stored as disjoint sets. The parent of a row, parents[row], is a row of the same
group. Only the root of a group is the parent of itself.
"""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import Ints


def roots_of(pairs: Ints, count: int) -> Ints:
    """Return the root of each of `count` rows, int64 [count]: the smallest row of its group.

    `pairs`: int64 [p, 2], the pairs that join rows. The rows are joined in a few rounds. In each
    round, each root is joined to the smallest root that it is paired with.
    """
    parents = np.arange(count)
    while len(pairs):
        ends = np.sort(parents[pairs], axis=1)
        pairs = ends[ends[:, 0] != ends[:, 1]]
        np.minimum.at(parents, pairs[:, 1], pairs[:, 0])
        parents = shortened(parents)
    return parents


def shortened(parents: Ints) -> Ints:
    """Return the root of each row as its parent."""
    while True:
        shorter = parents[parents]
        if np.array_equal(shorter, parents):
            return parents
        parents = shorter


def find_root(parents: Ints, row: int) -> int:
    """Return the root of a row's group, and shorten the path from the row to the root."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def group_numbers(roots: Ints) -> Ints:
    """Return the group number of each row. The first row of the library has the number 0.

    `roots`: int64 [n], the smallest row of the group of each row. The groups are numbered in the
    order of their first rows.
    """
    return np.unique(roots, return_inverse=True)[1]
