"""A coarse view of an image, which the page shows until the thumbnail is loaded."""

from collections.abc import Sequence

import numpy as np

from imgscore.images.traits import GRID_SIDE
from imgscore.report.data import BLUR_DIGITS

ROWS = BLUR_DIGITS // 2
"""The number of rows of the view. The page draws one gradient: a bitmap would be a request for each
image."""


def blurs_of(grids: Sequence[bytes]) -> str:
    """Return the brightness of the rows of each image, as BLUR_DIGITS hexadecimal digits, joined.

    `grids`: the grids of the images' traits. If a grid is empty, its digits are spaces.
    """
    full = [grid for grid in grids if len(grid) == GRID_SIDE**2]
    parts = np.frombuffer(b"".join(full), np.uint8).reshape(-1, ROWS, GRID_SIDE**2 // ROWS)
    levels = parts.sum(2, dtype=np.uint32) // parts.shape[2]
    digits: bytes = levels.astype(np.uint8).tobytes()
    text = digits.hex()
    if len(full) == len(grids):
        return text
    views = (text[at : at + BLUR_DIGITS] for at in range(0, len(text), BLUR_DIGITS))
    unknown = " " * BLUR_DIGITS
    return "".join(next(views) if len(grid) == GRID_SIDE**2 else unknown for grid in grids)
