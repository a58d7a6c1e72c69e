"""Cut a picture into views, the inputs of a network, without cropping or distortion.

A convolutional network with global pooling accepts inputs of any size. An image is therefore not
distorted or cropped to a square: a long image becomes several tiles. This module only computes
shapes and resizes images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL_PIXELS = 32
"""The side of a cell in pixels. The network halves an image five times, and the sides of a view are
therefore multiples of 2⁵."""
VIEW_SHAPES = ((7, 7), (8, 7), (8, 6), (9, 6), (10, 6), (9, 5), (10, 5), (11, 5), (12, 5))
"""The long and the short side of each possible view, in cells. For each proportion from 1:1 to
2.4:1, one of these shapes has a proportion that differs by at most 9 %. (The proportion of a phone
screen is 2.2:1.) The network was trained with images of 7 × 7 cells (224 × 224 pixels). Each shape
has about the area of these images."""
MAX_VIEW_PROPORTION = 2.5
"""The largest proportion (long side / short side) of an image that becomes one view. The longest
shape has the proportion 2.4."""
MAX_TILES = 32
"""The largest number of views of one image. It limits the time for one image. Images that are
longer than 80:1 are distorted to fit."""


class Layout(NamedTuple):
    """The views of an image: `tiles` views of `height` × `width` pixels in a row or a column."""

    height: int
    width: int
    tiles: int
    upright: bool  # True if the tiles form a column, False if they form a row

    @property
    def canvas(self) -> tuple[int, int]:
        """The width and height in pixels of all tiles together."""
        down, right = (self.tiles, 1) if self.upright else (1, self.tiles)
        return self.width * right, self.height * down


def layout(width: int, height: int) -> Layout:
    """Return the layout of an image of `width` × `height` pixels.

    `width` and `height` must be at least 1.
    """
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
    """Return the views of a picture, each uint8 [view_h, view_w, 3].

    `pixels`: uint8 [h, w, 3], the pixels of the picture.
    `size`: the width and height of the upright original.

    There is at least one view. All views of a picture have equal shapes and equal weights. The
    layout is computed from `size`, not from the shape of `pixels`, because the sides of the reduced
    image are rounded. Together the views cover each pixel once. The edges of the tiles are not
    rounded to whole pixels.
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
