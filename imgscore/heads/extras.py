"""Turn traits into numbers, which a head uses in addition to the embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats
from imgscore.images.traits import GRID_SIDE, Traits

LOSSY_FORMATS = frozenset({"JPEG", "WEBP", "HEIF", "AVIF", "MPO"})
MIN_GRID_DEVIATION = 1.0
"""The smallest standard deviation of the luma of a grid, which has values from 0 to 255. In a grid
with a smaller deviation, the noise of JPEG is as large as the content."""
NAMES = (
    "width",
    "height",
    "aspect",
    "bytes per pixel",
    "bytes",
    "lossy",
    "alpha",
    "animated",
    "brightness",
    "contrast",
    "colourfulness",
    "sharpness",
)
"""The names of the columns. The columns for width, height, aspect, bytes per pixel and bytes
contain natural logarithms."""


def extras_of(traits: Sequence[Traits | None]) -> Floats:
    """Return the extras: numbers that are computed from traits, as float32 [n, len(NAMES)].

    If the traits of an image are None, its row is NaN. Heads replace NaN by the average.
    """
    extras = np.full((len(traits), len(NAMES)), np.nan, np.float32)
    known = [row for row, image_traits in enumerate(traits) if image_traits is not None]
    numbers = np.array([_numbers(found) for found in traits if found is not None], np.float64)
    if known:
        width, height, density = numbers[:, :3].T
        logarithms = (width, height, width / height, density, density * width * height)
        extras[known, :5] = np.log(np.stack(logarithms, axis=1))
        extras[known, 5:] = numbers[:, 3:]
    return extras


def facts_of(extras: Floats) -> Floats:
    """Return the columns of extras that are about equal for an image and its changed copy.

    They are the aspect, the brightness, the contrast and the colourfulness, as float32 [n, 4].
    """
    names = ("aspect", "brightness", "contrast", "colourfulness")
    return np.asarray(extras[:, [NAMES.index(name) for name in names]])


def grids_of(traits: Sequence[Traits | None]) -> Floats:
    """Return the grids of images, centred and of unit length, as float32 [n, GRID_SIDE²].

    The product of two rows is the correlation of the two grids. The row of an image of one colour,
    or without a grid, is zero.
    """
    size = GRID_SIDE**2
    rows = np.zeros((len(traits), size), np.float32)
    for number, image_traits in enumerate(traits):
        if image_traits is not None and len(image_traits.grid) == size:
            rows[number] = np.frombuffer(image_traits.grid, np.uint8)
    rows -= rows.mean(axis=1, keepdims=True)
    flat = rows.std(axis=1) < MIN_GRID_DEVIATION
    rows[flat] = 0
    rows[~flat] /= np.linalg.norm(rows[~flat], axis=1, keepdims=True)
    return rows


def taken_of(traits: Sequence[Traits | None]) -> NDArray[np.float64]:
    """Return the times at which images were taken (from EXIF), as float64 [n] in seconds.

    Each time is read as UTC. A time is NaN if it is unknown.
    """
    return np.array(
        [
            datetime.fromisoformat(image_traits.taken).replace(tzinfo=UTC).timestamp()
            if image_traits is not None and image_traits.taken
            else np.nan
            for image_traits in traits
        ],
        np.float64,
    )


def _numbers(traits: Traits) -> tuple[float, ...]:
    """Return width, height, bytes per pixel, and the columns of the extras after the fifth."""
    return (
        max(traits.width, 1),
        max(traits.height, 1),
        max(traits.bytes_per_pixel, 1e-6),
        traits.format in LOSSY_FORMATS,
        traits.alpha,
        traits.animated,
        traits.brightness,
        traits.contrast,
        traits.colourfulness,
        traits.sharpness,
    )
