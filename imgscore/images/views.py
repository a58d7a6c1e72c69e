"""Cut a picture into the views that a network gets: the whole image, in its own proportions.

A convolutional network with global pooling takes any size. Nothing is therefore squashed into a
square or cropped: a long image becomes several tiles. This module only computes shapes and resizes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL_PIXELS = 32
"""Pixels; the network halves an image five times, so that sides are multiples of 2⁵."""
VIEW_SHAPES = ((7, 7), (8, 7), (8, 6), (9, 6), (10, 6), (9, 5), (10, 5), (11, 5), (12, 5))
"""Long and short side of a view, in cells. They fit each proportion from 1:1 to 2.4:1 (a phone's
screen has 2.2:1) within 9 %, with about the area that the network was trained on: 7 × 7 cells, or
224 × 224 pixels."""
MAX_VIEW_PROPORTION = 2.5
"""Long side : short side up to which an image is one view; the longest shape has 2.4."""
MAX_TILES = 32
"""Views of one image, to bound its time; images longer than 80:1 are squashed to fit."""


class Layout(NamedTuple):
    """The views of an image: `tiles` of `height` × `width` pixels in a row or a column."""

    height: int
    width: int
    tiles: int
    upright: bool  # the tiles form a column, else a row

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height in pixels of all tiles together."""
        down, right = (self.tiles, 1) if self.upright else (1, self.tiles)
        return self.width * right, self.height * down


def layout(width: int, height: int) -> Layout:
    """The layout of an image of `width` × `height` pixels, both at least 1."""
    upright = height > width
    proportion = max(width, height) / min(width, height)
    tiles = 1
    if proportion > MAX_VIEW_PROPORTION:
        tiles = min(MAX_TILES, int(np.ceil(proportion / MAX_VIEW_PROPORTION)))
    tile_proportion = proportion / tiles
    long, short = min(
        VIEW_SHAPES, key=lambda shape: abs(np.log(shape[0] / shape[1] / tile_proportion))
    )
    if upright:
        return Layout(long * CELL_PIXELS, short * CELL_PIXELS, tiles, upright)
    return Layout(short * CELL_PIXELS, long * CELL_PIXELS, tiles, upright)


def views(pixels: NDArray[np.uint8], size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Views [view_h, view_w, 3] of pixels [h, w, 3]: one or more, of one shape and equal weight.

    `size` is the width and height of the original, upright. The layout follows it and not the
    reduced pixels, whose rounded proportion may fit another shape. Together the views cover each
    pixel once; tile edges are fractions of a pixel and are not rounded.
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
