"""A coarse view of an image, which the page shows until the thumbnail is loaded."""

import numpy as np

from imgscore.images.traits import GRID_SIDE

SIDE = 4
"""The number of rows and columns of the view. With 16 parts, a page of 100,000 images grows by
2 MB; more parts look the same once the browser has smoothed them."""
_STEP = GRID_SIDE // SIDE


def blur_of(grid: bytes) -> str:
    """Return the brightness of each part of an image: one hexadecimal digit for each, row by row.

    `grid`: the grid of the image's traits. The result is empty if the grid is.
    """
    if len(grid) != GRID_SIDE**2:
        return ""
    parts = np.frombuffer(grid, np.uint8).reshape(SIDE, _STEP, SIDE, _STEP)
    levels = parts.mean((1, 3)).astype(np.uint8).ravel() >> 4
    return bytes((levels[::2] << 4 | levels[1::2]).tolist()).hex()
