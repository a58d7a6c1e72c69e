"""A coarse view of an image, which the page shows until the thumbnail is loaded."""

from collections.abc import Sequence

import numpy as np

from imgscore.images.traits import GRID_SIDE

SIDE = 4
"""The number of rows and columns of the view. With 16 parts, a page of 100,000 images grows by
2 MB; more parts look the same once the browser has smoothed them."""
_STEP = GRID_SIDE // SIDE
_DIGITS = SIDE * SIDE


def blurs_of(grids: Sequence[bytes]) -> list[str]:
    """Return the brightness of each part of each image: one hexadecimal digit for each, row by row.

    `grids`: the grids of the images' traits. If a grid is empty, its result is empty.
    """
    full = [grid for grid in grids if len(grid) == GRID_SIDE**2]
    parts = np.frombuffer(b"".join(full), np.uint8).reshape(-1, SIDE, _STEP, SIDE, _STEP)
    levels = (parts.sum((2, 4), dtype=np.uint32) // _STEP**2).astype(np.uint8).ravel() >> 4
    text = (levels[::2] << 4 | levels[1::2]).tobytes().hex()
    views = (text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS))
    return [next(views) if len(grid) == GRID_SIDE**2 else "" for grid in grids]
