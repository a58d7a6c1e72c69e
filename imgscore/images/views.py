"""How a picture is shown to a network: whole, in its own proportions, as one view or several tiles.

A convolutional network with global pooling takes any size, so nothing is squashed into a square
and nothing is cropped away. Only shapes and resizing live here; no network, no decoding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL = 32  # pixels; the network halves five times, so sides are multiples of it
# Long and short side of a view in cells: every proportion from 1:1 to 2.4:1 (phone screens are
# 2.2:1) is met within 9 %, at about the 7 × 7 cells (224 × 224) the network was trained on.
SHAPES = ((7, 7), (8, 7), (8, 6), (9, 6), (10, 6), (9, 5), (10, 5), (11, 5), (12, 5))
LONGEST = 2.5  # long side : short side of what is still one view
MAX_TILES = 32  # an image beyond 80:1 is squashed along its long side only as far as this needs


class Layout(NamedTuple):
    """How an image is laid out: `tiles` views of `height` × `width` pixels along one side."""

    height: int
    width: int
    tiles: int
    upright: bool  # tiles follow each other downwards, else to the right

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height in pixels of all tiles together."""
        down, right = (self.tiles, 1) if self.upright else (1, self.tiles)
        return self.width * right, self.height * down


def layout(width: int, height: int) -> Layout:
    """The layout for an image of `width` × `height` pixels (each at least 1)."""
    upright = height > width
    proportion = max(width, height) / min(width, height)
    tiles = 1
    if proportion > LONGEST:
        tiles = min(MAX_TILES, int(np.ceil(proportion / LONGEST)))
    along = proportion / tiles
    long, short = min(SHAPES, key=lambda shape: abs(np.log(shape[0] / shape[1] / along)))
    if upright:
        return Layout(long * CELL, short * CELL, tiles, upright)
    return Layout(short * CELL, long * CELL, tiles, upright)


def views(pixels: NDArray[np.uint8], size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Pixels [h, w, 3] → one or more views [view_h, view_w, 3] of one shape, each of equal weight.

    `size`: width and height of the original, upright. It decides the shape: reduced pixels are
    rounded, and a rounded proportion may be nearer to another one. Together the views cover every
    pixel exactly once: tile edges are fractions, not rounded.
    """
    height, width = pixels.shape[:2]
    plan = layout(*size)
    image = Image.fromarray(pixels)
    step_x, step_y = (0.0, height / plan.tiles) if plan.upright else (width / plan.tiles, 0.0)
    return [
        np.asarray(
            image.resize(
                (plan.width, plan.height),
                Image.Resampling.BICUBIC,
                box=(
                    index * step_x,
                    index * step_y,
                    min(width, (index + 1) * step_x or width),
                    min(height, (index + 1) * step_y or height),
                ),
            )
        )
        for index in range(plan.tiles)
    ]
