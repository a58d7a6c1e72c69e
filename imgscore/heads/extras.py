"""Traits of images as numbers a head can learn from, beside their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats
from imgscore.images.traits import Traits

LOSSY = frozenset({"JPEG", "WEBP", "HEIF", "AVIF", "MPO"})
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
"""The columns. Sizes, bytes and aspect are natural logarithms."""


def extras_of(traits: Sequence[Traits | None]) -> Floats:
    """float32 [n, len(NAMES)]; a row of NaN, which counts as average, where traits are unknown."""
    found = np.full((len(traits), len(NAMES)), np.nan, np.float32)
    for row, one in enumerate(traits):
        if one is not None:
            found[row] = _numbers(one)
    return found


def taken_of(traits: Sequence[Traits | None]) -> NDArray[np.float64]:
    """float64 [n]: seconds of EXIF time, as if all clocks showed UTC; NaN where unknown."""
    return np.array(
        [
            datetime.fromisoformat(one.taken).replace(tzinfo=UTC).timestamp()
            if one is not None and one.taken
            else np.nan
            for one in traits
        ],
        np.float64,
    )


def _numbers(one: Traits) -> tuple[float, ...]:
    width, height = max(one.width, 1), max(one.height, 1)
    density = max(one.bytes_per_pixel, 1e-6)
    return (
        float(np.log(width)),
        float(np.log(height)),
        float(np.log(width / height)),
        float(np.log(density)),
        float(np.log(density * width * height)),
        float(one.format in LOSSY),
        float(one.alpha),
        float(one.animated),
        one.brightness,
        one.contrast,
        one.colourfulness,
        one.sharpness,
    )
