"""What lies close together in the library is liked together: a kernel made of neighbourhoods.

The unlabelled library says which images form one cluster; a label then speaks for its cluster.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats

NEIGHBOURS = 10
CANDIDATES = 32
"""Nearest nodes among which the neighbours are chosen."""
REACH = 0.998
"""Share of a value that is passed on at each step; .998 reaches some hundred steps away."""
PROBES = 64
SHARPNESS = 12.0
"""Of the weight exp(SHARPNESS · closeness) of a neighbour."""
NEARNESS = 24.0
"""The same, with the cosine, for an image that is no node (scorer.py), where all nodes are asked:
finding the nearest would take longer than the farthest weigh. One that is a node has its own value,
nearly."""
STEPS = 60
"""Of the iteration: twenty more change no order."""
DENSE = 0.1
"""Columns for each node from which solving with the whole matrix is faster."""
ROWS = 512
SPAN, MANY = 32, 4000
"""Columns looked at together, and columns from which that is faster than sorting all."""
COLUMNS = 32
"""Columns iterated together: few enough to stay in the cache."""


class _Links(NamedTuple):
    """S = D^-½ W D^-½ as its rows one after another: of each entry its column and its value
    times REACH; `starts` [N] is where each row begins."""

    starts: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Floats

    def dense(self) -> Floats:
        """1 - REACH · S, [N, N]."""
        found = np.eye(len(self.starts), dtype=np.float32)
        row = np.searchsorted(self.starts, np.arange(len(self.column)), side="right") - 1
        found[row, self.column] -= self.value
        return found


class _Slots(NamedTuple):
    """REACH · S in another form: the first entry of each row, then the second of those that have
    one, and so on. Rows stand in `order`, those with most entries first, so that a slot's rows are
    the first ones. entries: of each slot the columns [n] and the values [n, 1]."""

    order: NDArray[np.int64]
    entries: list[tuple[NDArray[np.int64], Floats]]

    @classmethod
    def of(cls, links: _Links) -> _Slots:
        sizes = np.diff(links.starts, append=len(links.column))
        order = np.argsort(-sizes, kind="stable")
        place = np.argsort(order)
        entries = []
        for slot in range(sizes.max()):
            at = links.starts[order[: np.count_nonzero(sizes > slot)]] + slot
            entries.append((place[links.column[at]], links.value[at][:, None]))
        return cls(order, entries)

    def multiply(self, values: Floats, room: Floats) -> Floats:
        """REACH · S @ values, float32 [N, c]; `room`, as large, is used up."""
        found = np.zeros_like(values)
        for column, value in self.entries:
            part = room[: len(column)]
            # none is out of range, and with "clip" numpy needs no copy to be sure
            np.take(values, column, axis=0, out=part, mode="clip")
            part *= value
            found[: len(column)] += part
        return found


def graph_kernel(nodes: Floats, columns: int) -> Floats:
    """The first `columns` of the kernel of `nodes`, unit rows float32 [N, r]: float32 [N, c].

    The kernel is (1 - REACH · S)⁻¹ with S = D^-½ W D^-½ over the symmetric neighbours W: the
    learning with local and global consistency of Zhou et al. (2003), used as a covariance and
    brought to unit variance.
    """
    links = _links(nodes)
    dense = columns + PROBES > DENSE * len(nodes)
    found, variance = _by_elimination(links, columns) if dense else _by_iteration(links, columns)
    # the series 1 + REACH² S² + … has no negative term
    size = np.sqrt(np.maximum(variance, 1))
    return np.asarray(found / size[:, None] / size[:columns])


def _by_elimination(links: _Links, columns: int) -> tuple[Floats, Floats]:
    """The first columns of (1 - REACH · S)⁻¹ and its diagonal, by its two diagonal blocks."""
    matrix = links.dense()
    across = matrix[:columns, columns:]
    rest = np.linalg.inv(matrix[columns:, columns:])
    carried = rest @ across.T
    upper = np.linalg.inv(matrix[:columns, :columns] - across @ carried)
    lower = -carried @ upper
    below = np.diag(rest) - np.einsum("ij,ij->i", lower, carried)
    return np.concatenate([upper, lower]), np.concatenate([np.diag(upper), below])


def _by_iteration(links: _Links, columns: int) -> tuple[Floats, Floats]:
    """The same, the diagonal below the first columns by PROBES random signs (Hutchinson)."""
    count = len(links.starts)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (count, PROBES))
    wanted = np.hstack([np.eye(count, columns, dtype=np.float32), signs])
    slots = _Slots.of(links)
    for start in range(0, wanted.shape[1], COLUMNS):
        some = slice(start, start + COLUMNS)
        wanted[slots.order, some] = _solve(slots, wanted[slots.order, some])
    variance = (signs * wanted[:, columns:]).mean(axis=1)
    variance[:columns] = wanted[np.diag_indices(columns)]
    return wanted[:, :columns], variance


def _links(nodes: Floats) -> _Links:
    """The links of the graph that joins each node to its neighbours."""
    count = len(nodes)
    neighbour, weight = neighbours(nodes)
    row = np.broadcast_to(np.arange(count)[:, None], neighbour.shape)
    # both directions of each pair, as row · count + column
    keys = np.concatenate([row * count + neighbour, neighbour * count + row], axis=None)
    key, first = np.unique(keys, return_index=True)
    weight = np.concatenate([weight, weight], axis=None)[first]
    row, column = np.divmod(key, count)
    starts = np.searchsorted(row, np.arange(count))
    root = 1 / np.sqrt(np.add.reduceat(weight, starts))
    value: Floats = np.multiply(weight * root[row], root[column] * REACH, dtype=np.float32)
    return _Links(starts, column, value)


def neighbours(nodes: Floats) -> tuple[NDArray[np.int64], Floats]:
    """NEIGHBOURS of each of the unit rows `nodes` and the weights of their edges, both [N, k].

    Closeness is the cosine less what both nodes have with their own nearest, on average (half the
    CSLS of Conneau et al. 2018). By the cosine alone a few hubs, near to everything, would join
    what has nothing to do with each other, and a loose cluster would fall apart.
    """
    found = [_nearest(nodes, slice(start, start + ROWS)) for start in range(0, len(nodes), ROWS)]
    nearest, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
    most = min(NEIGHBOURS, cosine.shape[1])
    crowd = -np.partition(-cosine, most - 1, axis=1)[:, :most].mean(axis=1)
    closeness = cosine - (crowd[:, None] + crowd[nearest]) / 2
    chosen = _largest(closeness, most)
    weight = np.exp(SHARPNESS * np.take_along_axis(closeness, chosen, axis=1))
    return np.take_along_axis(nearest, chosen, axis=1), weight


def _solve(slots: _Slots, wanted: Floats) -> Floats:
    """(1 - REACH · S)⁻¹ @ wanted, by Chebyshev's iteration (Golub and Varga 1961)."""
    before, found, stride = np.zeros_like(wanted), wanted, 2.0
    room = np.empty_like(wanted)
    for _ in range(STEPS):
        stride = 1 / (1 - REACH**2 * stride / 4)
        step = slots.multiply(found, room)
        step += wanted
        step -= before
        step *= stride
        step += before
        before, found = found, step
    return found


def _nearest(nodes: Floats, rows: slice) -> tuple[NDArray[np.int64], Floats]:
    """The CANDIDATES nearest of some of the nodes, and their cosines.

    Of MANY, they lie in those SPAN columns side by side whose largest are the largest.
    """
    count = len(nodes)
    cosine = nodes[rows] @ nodes.T
    own = np.arange(len(cosine))
    cosine[own, rows.start + own] = -np.inf
    most = min(CANDIDATES, count - 1)
    if count > MANY:
        starts = np.arange(0, count, SPAN)
        best = _largest(np.maximum.reduceat(cosine, starts, axis=1), most)
        column = (starts[best][:, :, None] + np.arange(SPAN)).reshape(len(cosine), -1)
        outside = column >= count
        column[outside] = 0
        some = np.take_along_axis(cosine, column, axis=1)
        some[outside] = -np.inf
        nearest = np.take_along_axis(column, _largest(some, most), axis=1)
    else:
        nearest = _largest(cosine, most)
    return nearest, np.take_along_axis(cosine, nearest, axis=1)


def _largest(values: Floats, count: int) -> NDArray[np.int64]:
    """Columns of the `count` largest of each row."""
    return np.argpartition(values, -count, axis=1)[:, -count:]
