"""The graph kernel: a similarity of images that is computed from a graph of the library.

The nodes of the graph are images, with and without labels. Each node is joined to its neighbours,
and groups of neighbours form clusters. A label affects the scores of its whole cluster, and the
images of one cluster get similar scores.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats, Ints
from imgscore.heads.elimination import eliminate

# These settings were chosen by held-out error (bench/LEARNING.md, "Which neighbours").
NEIGHBOURS = 10
"""The number of neighbours of each node. The graph has an edge from the node to each neighbour.
Values of 8 and 12 give about equally good results."""
CANDIDATES = 32
"""The number of nearest nodes, by cosine, from which the neighbours of a node are chosen. The
function `neighbours` chooses them by closeness."""
DAMPING = 0.998
"""The share of a node's value that the node passes on to its neighbours in one step. With this
share, a value spreads over some hundred steps."""
PROBES = 64
"""The number of random sign vectors from which the variances of the nodes are estimated. Exact
variances give no better results."""
EDGE_SHARPNESS = 12.0
"""The factor in the weight of an edge, exp(EDGE_SHARPNESS · closeness). The closeness of two nodes
is defined in `neighbours`."""
SOFTMAX_SHARPNESS = 24.0
"""The factor in exp(SOFTMAX_SHARPNESS · cosine), the weight of a node in the score of an image.
`scorer.py` uses all nodes, because a search for the nearest nodes would take longer. Nodes with a
small cosine have small weights. An image that is itself a node gets almost exactly the value of
this node."""
ITERATIONS = 60
"""The number of steps of Chebyshev's iteration. A value of 80 gives no better results."""
DENSE_RATIO = 0.1
"""The share of the kernel's columns above which `eliminate` is faster than `_by_iteration`.
Only the requested columns of the kernel are computed."""
ROW_BLOCK = 512
"""The number of rows of the cosine matrix that are computed at once."""
COLUMN_SPAN = 32
"""The number of adjacent columns of the cosine matrix in one span. The search for the nearest nodes
first compares the maxima of the spans."""
MIN_NODES_FOR_SPANS = 4000
"""The number of nodes above which the search by spans is faster than a search in all columns."""
COLUMN_BLOCK = 32
"""The number of columns that one run of the iteration computes. 32 columns are few enough for the
CPU's cache."""


class _Links(NamedTuple):
    """The matrix DAMPING · S as a sparse matrix [N, N] in rows (CSR).

    S = D^-½ W D^-½. W contains the weights of the edges. D is the diagonal matrix of the row sums
    of W.

    `starts`: int64 [N], the index of the first entry of each row.
    `column`, `value`: the column and the value of each entry.
    """

    starts: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Floats

    def dense(self, order: Ints | None = None) -> Floats:
        """Return the matrix 1 - DAMPING · S as float32 [N, N].

        `order`: the nodes, in the sequence of the rows and columns of the result. None: as here.
        """
        matrix = np.eye(len(self.starts), dtype=np.float32)
        row = np.searchsorted(self.starts, np.arange(len(self.column)), side="right") - 1
        place = np.arange(len(matrix)) if order is None else np.argsort(order)
        matrix[place[row], place[self.column]] -= self.value
        return matrix


class _Slots(NamedTuple):
    """The matrix DAMPING · S in jagged diagonal storage, which makes multiplication faster.

    `order`: int64 [N], the rows sorted by their number of entries. The row with most entries is
    first.
    `entries`: the entries of the matrix, in slots. Slot i contains entry i of each row that has
    more than i entries. These rows are the first rows of `order`. A slot consists of columns [n]
    and values [n, 1].
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
        """Return DAMPING · S @ values as float32 [N, c], with rows sorted as in `order`.

        The rows of `values` must be sorted as in `order`, too. The function overwrites `buffer`,
        which must have the shape of `values`.
        """
        result = np.zeros_like(values)
        for column, value in self.entries:
            rows = buffer[: len(column)]
            # With mode="clip", numpy writes to `out` without a copy. No column is clipped, because
            # all columns are in range.
            np.take(values, column, axis=0, out=rows, mode="clip")
            rows *= value
            result[: len(column)] += rows
        return result


class Graph(NamedTuple):
    """The edges of a graph of m nodes, and the variances of its nodes. Labels have no effect on it.

    `neighbour`: int32 [m, k], the neighbours of each node. `weight`: float32 [m, k], the weights of
    the edges to them.
    `density`: float32 [m], the mean cosine of each node with its nearest nodes.
    `variance`: float32 [m], the diagonal of (1 - DAMPING · S)⁻¹. Many nodes: estimates.
    """

    neighbour: NDArray[np.int32]
    weight: Floats
    density: Floats
    variance: Floats

    @classmethod
    def of(cls, nodes: Floats) -> Graph:
        """Return the graph that joins each node to its neighbours. `nodes`: unit rows [m, r]."""
        neighbour, weight, density = neighbours(nodes)
        links = _joined(neighbour, weight)
        few = DENSE_RATIO * len(nodes) < PROBES
        variance = eliminate(links.dense(), 1).diagonal if few else _estimate_variance(links)
        return cls(neighbour.astype(np.int32), weight, density, variance)


class GraphMean(NamedTuple):
    """The mean of all N nodes of a graph, as another node with the graph kernel.

    `column`: float32 [N], the kernel between each node and the mean. `variance`: that of the mean.
    """

    column: Floats
    variance: float


def graph_kernel(nodes: Floats, columns: int) -> Floats:
    """Return the first `columns` columns of the graph kernel of `nodes`, as float32 [N, columns].

    `nodes`: unit rows float32 [N, r].

    The kernel is (1 - DAMPING · S)⁻¹, scaled to a variance of 1 for each node. 1 is the identity
    matrix. S is D^-½ W D^-½, where W contains the symmetric weights of the edges, and D is the
    diagonal matrix of the row sums of W. The formula comes from "Learning with local and global
    consistency" (Zhou et al. 2003). Here the kernel is used as a covariance.
    """
    links, numbers = _links(nodes), np.arange(columns)
    if columns + PROBES > DENSE_RATIO * len(nodes):
        found = eliminate(links.dense(), columns)
        return _scaled(found.columns, found.diagonal, numbers)
    return _scaled(_by_iteration(links, numbers), _estimate_variance(links), numbers)


def kernel_columns(
    graph: Graph, nodes: Floats, more: Floats, columns: Ints
) -> tuple[Floats, GraphMean]:
    """Return columns of the graph kernel of `nodes` and of `more` nodes, float32 [m + p, columns].

    The second result is the mean of all nodes.

    `nodes`: unit rows float32 [m, r], the nodes of `graph`. `more`: unit rows float32 [p, r]. Each
    of them is joined to its neighbours among all nodes. The neighbours and the variances of the
    other nodes stay those of `graph`. `columns`: the numbers of the nodes.
    """
    neighbour, weight, variance = graph.neighbour.astype(np.int64), graph.weight, graph.variance
    rows = [np.repeat(np.arange(len(nodes)), neighbour.shape[1])]
    ends, weights = [neighbour.ravel()], [weight.ravel()]
    if len(more):
        nearest, cosine = _nearest(np.concatenate([nodes, more]), slice(len(nodes), None))
        count = min(NEIGHBOURS, cosine.shape[1])
        densities = np.concatenate([graph.density, _density(cosine, count)])
        chosen, weight = _closest(nearest, cosine, densities[len(nodes) :], densities, count)
        rows.append(np.repeat(np.arange(len(nodes), len(densities)), count))
        ends.append(chosen.ravel())
        weights.append(weight.ravel())
        variance = np.concatenate([variance, np.ones(len(more), np.float32)])
    row, end, weight = np.concatenate(rows), np.concatenate(ends), np.concatenate(weights)
    links = _of_edges(len(variance), row, end, weight)
    if len(columns) <= DENSE_RATIO * len(variance):
        share = _shares(variance)
        kernel, mean = _by_iteration(links, columns), _solve_blocks(links, share.copy())
        variance = _exact_variance(kernel, variance, columns)
        return _scaled(kernel, variance, columns), _mean(mean, share, variance)
    chosen, place = np.unique(columns, return_inverse=True)
    order = np.concatenate([chosen, np.setdiff1d(np.arange(len(variance)), chosen)])
    found = eliminate(links.dense(order), len(chosen))
    kernel = _scaled(found.columns, found.diagonal, np.arange(len(chosen)))
    own = np.argsort(order)
    variance = found.diagonal[own]
    share = _shares(variance)
    mean = found.solve(share[order])[own]
    return np.asarray(kernel[own][:, place]), _mean(mean, share, variance)


def _shares(variance: Floats) -> Floats:
    """Return [N, 1]: the shares of the values of N nodes in the mean of their scaled values."""
    return np.asarray(1 / (len(variance) * np.sqrt(np.maximum(variance, 1)))[:, None], np.float32)


def _mean(solution: Floats, share: Floats, variance: Floats) -> GraphMean:
    """Return the GraphMean from (1 - DAMPING · S)⁻¹ · share."""
    column = solution[:, 0] / np.sqrt(np.maximum(variance, 1))
    return GraphMean(np.asarray(column, np.float32), float(share[:, 0] @ solution[:, 0]))


def _exact_variance(kernel: Floats, variance: Floats, columns: Ints) -> Floats:
    """Return the variances with the exact ones of `columns`, which are in their kernel."""
    variance = variance.copy()
    variance[columns] = kernel[columns, np.arange(len(columns))]
    return variance


def _scaled(kernel: Floats, variance: Floats, columns: Ints) -> Floats:
    """Scale columns of (1 - DAMPING · S)⁻¹ to a variance of 1 for each node.

    `columns`: the numbers of the columns, whose exact variances are in the kernel.
    """
    variance = _exact_variance(kernel, variance, columns)
    # Each exact variance is a sum of 1 and terms that are not negative. An estimate below 1 is
    # therefore replaced by 1.
    deviation = np.sqrt(np.maximum(variance, 1))
    return np.asarray(kernel / deviation[:, None] / deviation[columns])


def _by_iteration(links: _Links, columns: Ints) -> Floats:
    """Return columns of (1 - DAMPING · S)⁻¹, by iteration."""
    right_side = np.zeros((len(links.starts), len(columns)), np.float32)
    right_side[columns, np.arange(len(columns))] = 1
    return _solve_blocks(links, right_side)


def _estimate_variance(links: _Links) -> Floats:
    """Return estimates of the diagonal of (1 - DAMPING · S)⁻¹ (Hutchinson 1989)."""
    count = len(links.starts)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (count, PROBES))
    return np.asarray((signs * _solve_blocks(links, signs.copy())).mean(axis=1))


def _solve_blocks(links: _Links, solution: Floats) -> Floats:
    """Replace the right sides `solution` by the solutions, COLUMN_BLOCK columns at a time."""
    slots = _Slots.of(links)
    for start in range(0, solution.shape[1], COLUMN_BLOCK):
        block = slice(start, start + COLUMN_BLOCK)
        solution[slots.order, block] = _solve(slots, solution[slots.order, block])
    return solution


def _links(nodes: Floats) -> _Links:
    """Return the sparse matrix of a graph that joins each node to its neighbours."""
    neighbour, weight, _ = neighbours(nodes)
    return _joined(neighbour, weight)


def _joined(neighbour: Ints, weight: Floats) -> _Links:
    """Return the sparse matrix of the edges [N, k] from each node."""
    count = len(neighbour)
    row = np.repeat(np.arange(count), neighbour.shape[1])
    return _of_edges(count, row, neighbour.ravel(), weight.ravel())


def _of_edges(count: int, row: Ints, column: Ints, weight: Floats) -> _Links:
    """Return the sparse matrix of edges between `count` nodes.

    The matrix contains each edge in both directions.
    """
    # Each key identifies one direction of an edge. The key is row · count + column.
    keys = np.concatenate([row * count + column, column * count + row])
    key, first = np.unique(keys, return_index=True)
    weight = np.concatenate([weight, weight])[first]
    row, column = np.divmod(key, count)
    starts = np.searchsorted(row, np.arange(count))
    root = 1 / np.sqrt(np.add.reduceat(weight, starts))
    value: Floats = np.multiply(weight * root[row], root[column] * DAMPING, dtype=np.float32)
    return _Links(starts, column, value)


def neighbours(nodes: Floats) -> tuple[Ints, Floats, Floats]:
    """Return the neighbours of each node, int64 [N, k], and their edge weights, float32 [N, k].

    The third result is the density of each node, float32 [N]. `nodes`: unit rows float32 [N, r].

    k is NEIGHBOURS, or less if there are few nodes. The neighbours of a node are the nodes with the
    largest closeness. For each node, the mean of the cosines with its nearest nodes is computed
    first: its density. The closeness of two nodes is their cosine minus half the sum of their two
    densities. The closeness is half of the CSLS of Conneau et al. (2018).

    The cosine alone is not enough. Hubs are nodes that are near to many unrelated nodes. With the
    cosine alone, hubs would join unrelated images, and loose clusters would fall apart.
    """
    blocks = [
        _nearest(nodes, slice(start, start + ROW_BLOCK))
        for start in range(0, len(nodes), ROW_BLOCK)
    ]
    nearest, cosine = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    count = min(NEIGHBOURS, cosine.shape[1])
    density = _density(cosine, count)
    return *_closest(nearest, cosine, density, density, count), density


def _density(cosine: Floats, count: int) -> Floats:
    """Return the mean of the `count` largest cosines of each row."""
    return np.asarray(-np.partition(-cosine, count - 1, axis=1)[:, :count].mean(axis=1))


def _closest(
    nearest: Ints, cosine: Floats, own: Floats, densities: Floats, count: int
) -> tuple[Ints, Floats]:
    """Return the `count` nodes of `nearest` with the largest closeness, and the edge weights.

    `own`: the densities of the rows. `densities`: those of all nodes.
    """
    closeness = np.asarray(cosine - (own[:, None] + densities[nearest]) / 2, np.float32)
    chosen = _largest(closeness, count)
    weight = np.exp(EDGE_SHARPNESS * np.take_along_axis(closeness, chosen, axis=1))
    return np.take_along_axis(nearest, chosen, axis=1), weight


def _solve(slots: _Slots, right_side: Floats) -> Floats:
    """Return (1 - DAMPING · S)⁻¹ @ right_side.

    The method is Chebyshev's iteration (Golub and Varga 1961).
    """
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
    """Return the CANDIDATES nearest nodes of each node in `rows`, and their cosines.

    The nearest nodes of a node are in no particular order. If there are many nodes, the columns of
    the cosine matrix are divided into spans of COLUMN_SPAN columns. The function searches only the
    spans with the largest maxima, because these spans contain all nearest nodes.
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
    """Return the columns of the `count` largest values of each row, in no particular order."""
    return np.argpartition(values, -count, axis=1)[:, -count:]
