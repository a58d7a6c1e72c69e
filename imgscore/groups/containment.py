"""Compare how much of a picture two similar images show: a crop or a framed copy shows less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

MAX_AREA = 0.96
"""The largest area of a part, as a share of the area of the whole image. Places are known to about
half a cell of a fine grid, so the area of an equal image can be a little smaller than one."""
MAX_TONE_DEVIATION = 6.0
"""The largest standard deviation of luma in a line outside of a part, in levels from 0 to 255, at
which the line is a frame. Frames and the bars of screens have up to 5, and the lines beside a crop
of a photograph have more than 10."""
MIN_EDGE = 8.0
"""The smallest difference of luma between both sides of a visible edge, in levels from 0 to 255."""
MAX_ASYMMETRY = 1.5 / FINE_GRID_SIDE
"""The largest difference of two opposite margins that are equally wide, as a share of the side."""

MIN_MARGIN = 2.0 / FINE_GRID_SIDE
"""The narrowest such margin. The place of a part is known to about a cell in plain drawings."""


def gains(windows: NDArray[np.float64], others: NDArray[np.uint8]) -> Floats:
    """Return by how much the detail of whole images must be multiplied to compare it with parts.

    The detail is that of all of an image, along a side, so a part of an image has less of it.

    `windows`: the windows of other images that equal an image, float64 [p, 4]. `others`: the fine
    grids of these other images, uint8 [p, 64, 64].

    The result, float32 [p], is positive if the other image is to be preferred, because the image is
    a crop of it. It is negative if the image is to be preferred, because the other one shows it in
    a frame or on a screen. It is 0 if both show the same.
    """
    area = windows[:, 2] * windows[:, 3]
    share = np.sqrt(np.maximum(area, 1e-3))
    gain = np.where(are_framed(windows, others), -1 / share, share)
    return np.asarray(np.where(area <= MAX_AREA, gain, 0), np.float32)


def are_framed(windows: NDArray[np.float64], others: NDArray[np.uint8]) -> Bools:
    """Return whether the windows of images are in a frame or on a screen, bool [p].

    The lines that surround a framed window have one tone each, and an edge along most of a side
    separates one of them from the window. Beside a crop, the picture goes on. A plain margin
    without an edge, such as the white around a drawing, is a frame if opposite margins are equally
    wide.
    """
    plain = np.ones(len(windows), np.bool_)
    edge, even = np.zeros(len(windows), np.bool_), plain.copy()
    centres = (np.arange(FINE_GRID_SIDE) + 0.5) / FINE_GRID_SIDE
    for axis in (0, 1):
        cells = others.transpose(0, 2, 1) if axis == 0 else others
        start, stop = (windows[:, axis], windows[:, axis] + windows[:, axis + 2])
        even &= np.abs(start - (1 - stop)) <= MAX_ASYMMETRY
        even &= np.minimum(start, 1 - stop) >= MIN_MARGIN
        low, high = start * FINE_GRID_SIDE, stop * FINE_GRID_SIDE
        first = windows[:, 1 - axis, None]
        used = (centres >= first) & (centres <= first + windows[:, 3 - axis, None])
        count = np.maximum(used.sum(axis=1, keepdims=True), 1)
        for exists, outside, inside in (
            (low >= 1, np.floor(low) - 2, np.ceil(low) + 1),
            (high <= FINE_GRID_SIDE - 1, np.ceil(high) + 1, np.floor(high) - 2),
        ):
            # The cell beside the border also contains a part of the window.
            beside, shown = (_row(cells, at) for at in (outside, inside))
            mean = (beside * used).sum(axis=1, keepdims=True) / count
            variance = (np.square(beside - mean) * used).sum(axis=1) / count[:, 0]
            plain &= ~exists | (variance <= MAX_TONE_DEVIATION**2)
            differs = ((np.abs(shown - mean) >= MIN_EDGE) & used).sum(axis=1)
            edge |= exists & (2 * differs >= count[:, 0])
    return np.asarray(plain & (edge | even))


def _row(cells: NDArray[np.uint8], at: NDArray[np.float64]) -> Floats:
    """Return a row of each grid, float32 [p, 64]."""
    rows = np.clip(at, 0, FINE_GRID_SIDE - 1).astype(np.int64)
    return np.asarray(cells[np.arange(len(cells)), rows], np.float32)


def either(first: Floats, second: Floats) -> Floats:
    """Return those of two gains that are not 0. If each image is a part of the other one, 0."""
    return np.asarray(np.where(first == 0, second, np.where(second == 0, first, 0)), np.float32)
