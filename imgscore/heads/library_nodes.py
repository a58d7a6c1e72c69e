"""The part of a training that depends only on the library: its features, nodes and graphs.

It is computed from a sample of the library, without any label. Trainings of different tastes, and
trainings after each other, can share it (see `library_cache.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Floats, Half, Ints
from imgscore.heads.extras import NAMES
from imgscore.heads.features import Features
from imgscore.heads.graph import NEIGHBOURS, Graph, GraphMean, kernel_columns

MAX_NODES = 7500
"""The largest number of images of the library that are nodes of a graph."""
MAX_PLAIN = 1000
"""The largest number of images whose features without extras are needed, for the scales of
`similar.py`."""
SAME_IMAGE_COSINE = 0.9999
"""The smallest cosine at which a node of the library is taken for the labelled image itself."""


class Joined(NamedTuple):
    """The nodes of n labelled images and of the library. A node that is labelled is not repeated.

    `nodes`: float16 [N, r]. The labelled images are the first n nodes.
    `kernel`: float32 [N, n], the graph kernel between all nodes and the labelled images.
    `mean`: the mean of all nodes.
    `traits`: float32 [N - n, k], the traits of the other nodes.
    """

    nodes: Half
    kernel: Floats
    mean: GraphMean
    traits: Floats


@dataclass(frozen=True, eq=False)
class LibraryNodes:
    """The images of the library that can be nodes of a graph, in random order.

    `features`: the Features that are fitted to the library.
    `rows`: float16 [m, r], the features of these images.
    `plain`: float16 [l, r], the features of the first images without extras.
    `traits`: float32 [m, k], their traits as numbers (see `extras.py`), without file names.
    `graphs`: for a number of nodes, the graph of the first rows. `graph` adds to it.
    """

    features: Features
    rows: Half
    plain: Half
    traits: Floats
    graphs: dict[int, Graph] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Features, background: Half, extras: Floats | None) -> LibraryNodes:
        """Return the nodes of a sample `background` float16 [m, d] with extras float32 [m, k]."""
        chosen = np.random.default_rng(0).permutation(len(background))[:MAX_NODES]
        numbers = None if extras is None else extras[chosen]
        rows = features(background[chosen], numbers).astype(np.float16)
        plain = features(background[chosen[:MAX_PLAIN]]).astype(np.float16)
        traits = np.full((len(rows), len(NAMES)), np.nan, np.float32)
        if numbers is not None:
            traits[:, : numbers.shape[1]] = numbers[:, : len(NAMES)]
        return cls(features, rows, plain, traits)

    def graph(self, size: int) -> Graph | None:
        """Return the graph of the first `size` rows, or None if there are too few rows for one."""
        size = min(size, len(self.rows))
        if size <= 2 * NEIGHBOURS:
            return None
        if size not in self.graphs:
            self.graphs[size] = Graph.of(self.rows[:size].astype(np.float32))
        return self.graphs[size]

    def join(self, rows: Floats, size: int) -> Joined | None:
        """Return the nodes of labelled images and of the library.

        `rows`: unit rows float32 [n, r], the labelled images.
        `size`: the largest number of nodes of the library.

        Returns None if the library is too small for a graph.
        """
        graph = self.graph(size)
        if graph is None:
            return None
        # The nodes are rounded to float16, the type in which a head stores them. A loaded head then
        # has exactly the nodes that were evaluated.
        rows = rows.astype(np.float16).astype(np.float32)
        nodes = self.rows[: len(graph.density)].astype(np.float32)
        cosine = rows @ nodes.T
        place: Ints = cosine.argmax(axis=1)
        is_new = cosine[np.arange(len(rows)), place] < SAME_IMAGE_COSINE
        place[is_new] = len(nodes) + np.arange(np.count_nonzero(is_new))
        kernel, mean = kernel_columns(graph, nodes, rows[is_new], place)
        rest = np.setdiff1d(np.arange(len(nodes)), place)
        order = np.concatenate([place, rest])
        joined = np.concatenate([rows, nodes[rest]]).astype(np.float16)
        mean = mean._replace(column=mean.column[order])
        return Joined(joined, kernel[order], mean, self.traits[rest])
