"""What lies close together in the library is liked together: a kernel made of neighbourhoods.

The unlabelled library says which images form one cluster; a label then speaks for its cluster.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.base import Floats

NEIGHBOURS = 10
REACH = 0.99
"""Share of a value that is passed on at each step; .99 reaches some hundred steps away."""
PROBES = 64
SHARPNESS = 6.0
"""Of the weight exp(SHARPNESS · (cosine - 1)) of a neighbour."""


class Graph(NamedTuple):
    """degree, size: float32 [N], of each node the sum of its edge weights and the root of its
    variance, by which the kernel is divided."""

    degree: Floats
    size: Floats


def graph_kernel(nodes: Floats, columns: int) -> tuple[Graph, Floats]:
    """The graph of `nodes`, unit rows float32 [N, r], and the first `columns` of its kernel [N, c].

    The kernel is (1 - REACH · S)⁻¹ with S = D^-½ W D^-½ over the symmetric neighbours W: the
    learning with local and global consistency of Zhou et al. (2003), used as a covariance and
    brought to unit variance. The variances are estimated by PROBES random signs (Hutchinson).
    """
    count = len(nodes)
    weights = np.zeros((count, count), np.float32)
    cosine = nodes @ nodes.T
    np.fill_diagonal(cosine, -np.inf)
    nearest, weight = _nearest(cosine)
    np.put_along_axis(weights, nearest, weight, axis=1)
    np.maximum(weights, weights.T, out=weights)
    degree = weights.sum(axis=1)
    root = 1 / np.sqrt(degree)
    weights *= -REACH * root[:, None] * root
    weights[np.diag_indices(count)] += 1
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (count, PROBES))
    wanted = np.hstack([np.eye(count, columns, dtype=np.float32), signs])
    solved = np.linalg.solve(weights, wanted)
    variance = (signs * solved[:, columns:]).mean(axis=1)
    variance[:columns] = solved[np.diag_indices(columns)]
    # the series 1 + REACH² S² + … has no negative term
    size = np.sqrt(np.maximum(variance, 1))
    return Graph(degree, size), solved[:, :columns] / size[:, None] / size[:columns]


def extend(graph: Graph, cosine: Floats, values: Floats) -> Floats:
    """Values float32 [n, q] at new images from those at the nodes [N, q].

    cosine: float32 [n, N] between images and nodes. A new image takes what its neighbours pass on,
    and their mean variance.
    """
    nearest, weight = _nearest(cosine)
    own = weight.sum(axis=1, keepdims=True)
    size = graph.size[nearest]
    typical = (weight * size).sum(axis=1, keepdims=True) / own
    weight *= REACH * size / typical / np.sqrt(own * graph.degree[nearest])
    found = np.zeros((len(cosine), values.shape[1]), np.float32)
    for place in range(nearest.shape[1]):
        found += weight[:, place, None] * values[nearest[:, place]]
    return found


def _nearest(cosine: Floats) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.intp]], Floats]:
    """Columns of the NEIGHBOURS largest of each row, and their edge weights."""
    last = min(NEIGHBOURS, cosine.shape[1] - 1)
    nearest = np.argpartition(cosine, -last, axis=1)[:, -last:]
    found = np.take_along_axis(cosine, nearest, axis=1)
    return nearest, np.exp(SHARPNESS * (found - 1))
