"""A kernel made of the library's neighbourhoods: images of one cluster get similar scores.

The unlabelled library shows which images form a cluster; a label then counts for its cluster.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats

# Settings were chosen by held-out error (bench/LEARNING.md, "Which neighbours").
NEIGHBOURS = 10
"""Nodes to which each node gets an edge; 8 and 12 do about as well."""
CANDIDATES = 32
"""Nearest nodes by cosine, among which the neighbours are chosen by closeness."""
DAMPING = 0.998
"""Share of a value that is passed on at each step: it spreads over some hundred steps."""
PROBES = 64
"""Random sign vectors that estimate the variances; exact ones do no better."""
EDGE_SHARPNESS = 12.0
"""Of an edge's weight, exp(EDGE_SHARPNESS · closeness)."""
SOFTMAX_SHARPNESS = 24.0
"""Of the weight exp(SOFTMAX_SHARPNESS · cosine) that a scored image gives to each node (scorer.py).
All nodes count there, because finding the nearest ones would take longer and the others weigh
little. An image that is itself a node gets almost exactly that node's value."""
ITERATIONS = 60
"""Steps of Chebyshev's iteration; 80 do no better."""
DENSE_RATIO = 0.1
"""Columns for each node from which elimination of the whole matrix is faster than iteration."""
ROW_BLOCK = 512
"""Rows of the cosine matrix computed at once."""
COLUMN_SPAN = 32
"""Adjacent columns whose maximum stands for them in the search for the nearest nodes."""
MIN_NODES_FOR_SPANS = 4000
"""Nodes from which that search is faster than a partition of all columns."""
COLUMN_BLOCK = 32
"""Columns iterated at once: few enough to stay in the cache."""


class _Links(NamedTuple):
    """DAMPING · S, with S = D^-½ W D^-½, as a sparse matrix [N, N] in rows (CSR).

    starts: int64 [N], index of each row's first entry. column, value: of each entry.
    """

    starts: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Floats

    def dense(self) -> Floats:
        """1 - DAMPING · S as a float32 matrix [N, N]."""
        matrix = np.eye(len(self.starts), dtype=np.float32)
        row = np.searchsorted(self.starts, np.arange(len(self.column)), side="right") - 1
        matrix[row, self.column] -= self.value
        return matrix


class _Slots(NamedTuple):
    """DAMPING · S in a form that multiplies faster (jagged diagonal storage).

    order: int64 [N], the rows sorted by their number of entries, most first. entries: slot i holds
    the i-th entry of each row that has one; those are the first rows of `order`. A slot has columns
    [n] and values [n, 1].
    """

    order: NDArray[np.int64]
    entries: list[tuple[NDArray[np.int64], Floats]]

    @classmethod
    def of(cls, links: _Links) -> _Slots:
        sizes = np.diff(links.starts, append=len(links.column))
        order = np.argsort(-sizes, kind="stable")
        position = np.argsort(order)
        entries = []
        for slot in range(sizes.max()):
            entry = links.starts[order[: np.count_nonzero(sizes > slot)]] + slot
            entries.append((position[links.column[entry]], links.value[entry][:, None]))
        return cls(order, entries)

    def multiply(self, values: Floats, buffer: Floats) -> Floats:
        """DAMPING · S @ values, float32 [N, c]. Overwrites `buffer`, which has the same shape."""
        result = np.zeros_like(values)
        for column, value in self.entries:
            rows = buffer[: len(column)]
            # All columns are in range; with mode="clip", numpy writes to `out` without a copy.
            np.take(values, column, axis=0, out=rows, mode="clip")
            rows *= value
            result[: len(column)] += rows
        return result


def graph_kernel(nodes: Floats, columns: int) -> Floats:
    """The first `columns` columns of the graph kernel of `nodes`: float32 [N, columns].

    nodes: unit rows float32 [N, r]. The kernel is (1 - DAMPING · S)⁻¹, scaled to unit variance,
    with S = D^-½ W D^-½ of the symmetric weights W: the learning with local and global consistency
    of Zhou et al. (2003), used as a covariance.
    """
    links = _links(nodes)
    dense = columns + PROBES > DENSE_RATIO * len(nodes)
    kernel, variance = _by_elimination(links, columns) if dense else _by_iteration(links, columns)
    # The series 1 + DAMPING² S² + … has no negative term, so that a variance is at least 1.
    deviation = np.sqrt(np.maximum(variance, 1))
    return np.asarray(kernel / deviation[:, None] / deviation[:columns])


def _by_elimination(links: _Links, columns: int) -> tuple[Floats, Floats]:
    """The first columns of (1 - DAMPING · S)⁻¹ and its diagonal, by block-wise inversion."""
    matrix = links.dense()
    off_diagonal = matrix[:columns, columns:]
    lower_inverse = np.linalg.inv(matrix[columns:, columns:])
    product = lower_inverse @ off_diagonal.T
    upper = np.linalg.inv(matrix[:columns, :columns] - off_diagonal @ product)
    lower = -product @ upper
    lower_diagonal = np.diag(lower_inverse) - np.einsum("ij,ij->i", lower, product)
    return np.concatenate([upper, lower]), np.concatenate([np.diag(upper), lower_diagonal])


def _by_iteration(links: _Links, columns: int) -> tuple[Floats, Floats]:
    """The same by iteration, with the rest of the diagonal estimated (Hutchinson 1989)."""
    count = len(links.starts)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (count, PROBES))
    solution = np.hstack([np.eye(count, columns, dtype=np.float32), signs])
    slots = _Slots.of(links)
    for start in range(0, solution.shape[1], COLUMN_BLOCK):
        block = slice(start, start + COLUMN_BLOCK)
        solution[slots.order, block] = _solve(slots, solution[slots.order, block])
    variance = (signs * solution[:, columns:]).mean(axis=1)
    variance[:columns] = solution[np.diag_indices(columns)]
    return solution[:, :columns], variance


def _links(nodes: Floats) -> _Links:
    """The sparse matrix of the graph that joins each node to its neighbours, in both directions."""
    count = len(nodes)
    neighbour, weight = neighbours(nodes)
    row = np.broadcast_to(np.arange(count)[:, None], neighbour.shape)
    # Both directions of each edge, encoded as row · count + column.
    keys = np.concatenate([row * count + neighbour, neighbour * count + row], axis=None)
    key, first = np.unique(keys, return_index=True)
    weight = np.concatenate([weight, weight], axis=None)[first]
    row, column = np.divmod(key, count)
    starts = np.searchsorted(row, np.arange(count))
    root = 1 / np.sqrt(np.add.reduceat(weight, starts))
    value: Floats = np.multiply(weight * root[row], root[column] * DAMPING, dtype=np.float32)
    return _Links(starts, column, value)


def neighbours(nodes: Floats) -> tuple[NDArray[np.int64], Floats]:
    """NEIGHBOURS of each node and the weights of their edges: int64 and float32 [N, k].

    nodes: unit rows float32 [N, r]. Closeness is the cosine minus half the sum of both nodes' mean
    cosines with their own nearest: half the CSLS of Conneau et al. (2018). With the cosine alone,
    hubs, which are near to everything, join unrelated images, and loose clusters fall apart.
    """
    blocks = [
        _nearest(nodes, slice(start, start + ROW_BLOCK))
        for start in range(0, len(nodes), ROW_BLOCK)
    ]
    nearest, cosine = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    count = min(NEIGHBOURS, cosine.shape[1])
    density = -np.partition(-cosine, count - 1, axis=1)[:, :count].mean(axis=1)
    closeness = cosine - (density[:, None] + density[nearest]) / 2
    chosen = _largest(closeness, count)
    weight = np.exp(EDGE_SHARPNESS * np.take_along_axis(closeness, chosen, axis=1))
    return np.take_along_axis(nearest, chosen, axis=1), weight


def _solve(slots: _Slots, right_side: Floats) -> Floats:
    """(1 - DAMPING · S)⁻¹ @ right_side, by Chebyshev's iteration (Golub and Varga 1961)."""
    previous, solution, stride = np.zeros_like(right_side), right_side, 2.0
    buffer = np.empty_like(right_side)
    for _ in range(ITERATIONS):
        stride = 1 / (1 - DAMPING**2 * stride / 4)
        step = slots.multiply(solution, buffer)
        step += right_side
        step -= previous
        step *= stride
        step += previous
        previous, solution = solution, step
    return solution


def _nearest(nodes: Floats, rows: slice) -> tuple[NDArray[np.int64], Floats]:
    """The CANDIDATES nearest nodes of the nodes in `rows`, in any order, and their cosines.

    With many nodes, only the spans of COLUMN_SPAN columns with the largest maxima are searched. The
    nearest nodes lie in them.
    """
    count = len(nodes)
    cosine = nodes[rows] @ nodes.T
    own = np.arange(len(cosine))
    cosine[own, rows.start + own] = -np.inf
    candidates = min(CANDIDATES, count - 1)
    if count > MIN_NODES_FOR_SPANS:
        starts = np.arange(0, count, COLUMN_SPAN)
        best = _largest(np.maximum.reduceat(cosine, starts, axis=1), candidates)
        column = (starts[best][:, :, None] + np.arange(COLUMN_SPAN)).reshape(len(cosine), -1)
        outside = column >= count
        column[outside] = 0
        span_cosine = np.take_along_axis(cosine, column, axis=1)
        span_cosine[outside] = -np.inf
        nearest = np.take_along_axis(column, _largest(span_cosine, candidates), axis=1)
    else:
        nearest = _largest(cosine, candidates)
    return nearest, np.take_along_axis(cosine, nearest, axis=1)


def _largest(values: Floats, count: int) -> NDArray[np.int64]:
    """Columns of the `count` largest values of each row, in any order."""
    return np.argpartition(values, -count, axis=1)[:, -count:]
