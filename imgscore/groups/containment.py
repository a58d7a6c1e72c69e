"""Compare how much of a picture two similar images show: a crop or a framed copy shows less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]

MAX_AREA = 0.96
"""The largest area of a part, as a share of the area of the whole image. Places are known to about
half a cell of a fine grid, so the area of an equal image can be a little smaller than one."""
MAX_EDGE_ERROR = 2.0 / FINE_GRID_SIDE
"""The largest distance between the edges of a part and those of the content of a framed image."""


def gains(windows: NDArray[np.float64], contents: NDArray[np.float64]) -> Floats:
    """Return by how much the detail of whole images must be multiplied to compare it with parts.

    The detail is that of all of an image, along a side, so a part of an image has less of it.

    `windows`: the windows of other images that equal an image, float64 [p, 4]. `contents`: the
    windows of these other images without their frames, float64 [p, 4].

    The result, float32 [p], is positive if the other image is to be preferred, because the image is
    a crop of it. It is negative if the image is to be preferred, because the other one shows it in
    a frame or on a screen. It is 0 if both show the same.
    """
    area = windows[:, 2] * windows[:, 3]
    edges = [
        np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1)
        for found in (windows, contents)
    ]
    framed = (np.abs(edges[0] - edges[1]) <= MAX_EDGE_ERROR).all(axis=1)
    framed &= contents[:, 2] * contents[:, 3] <= MAX_AREA
    share = np.sqrt(np.maximum(area, 1e-3))
    gain = np.where(framed, -1 / share, share)
    return np.asarray(np.where(area <= MAX_AREA, gain, 0), np.float32)


def either(first: Floats, second: Floats) -> Floats:
    """Return those of two gains that are not 0. If each image is a part of the other one, 0."""
    return np.asarray(np.where(first == 0, second, np.where(second == 0, first, 0)), np.float32)
