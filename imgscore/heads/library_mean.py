"""The mean of the library, which a training treats as one more image with the label trash.

A person keeps less than half of most libraries. An image that resembles the whole library rather
than the kept images is therefore more probably trash, although nobody labelled it. A head that
learned from ten labels makes 3 % fewer errors with this rule (bench/LEARNING.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats
from imgscore.heads.graph import GraphMean
from imgscore.heads.trait_curves import TraitScale

MEAN_TARGET = -1.0
"""The target of the library's mean output, in units of the target ±1 of keep and trash."""
MEAN_WEIGHT = 1.0
"""The weight of the library's mean, in labels. Values of 0.5 and 2 give about equally good
results."""
MEAN_IMAGES = 128
"""The number of images from which the mean similarity and the mean trait kernel are computed. Each
one is a landmark of the head, so that more of them make scoring slower. With 50 images, the error
is 1 % larger."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class LibraryMean:
    """The mean of the library.

    `count`: the number s of images from which it is computed. They are the nodes of the head that
    follow the labelled images.
    `ranks`: float32 [s, k], the ranks of their traits, or None if the traits are unknown.
    `graph`: the mean of the graph's nodes.
    """

    count: int
    ranks: Floats | None
    graph: GraphMean

    @classmethod
    def of(cls, graph: GraphMean, traits: Floats, scale: TraitScale | None) -> LibraryMean | None:
        """Return the mean of a library with traits float32 [m, k], or None if it is too small."""
        if len(traits) < MEAN_IMAGES:
            return None
        ranks = None if scale is None else scale(traits[:MEAN_IMAGES], MEAN_IMAGES)
        return cls(MEAN_IMAGES, ranks, graph)


def with_mean(kernel: Matrix, column: Matrix, variance: float) -> Matrix:
    """Return the kernel [n + 1, n + 1] of n images and of the library's mean.

    `column`: [n], the kernel between each image and the mean. `variance`: that of the mean.
    """
    return np.block([[kernel, column[:, None]], [column[None], np.full((1, 1), variance)]])
