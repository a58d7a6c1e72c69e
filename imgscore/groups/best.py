"""The facts that decide which image of a group is the best, and the order that follows from them.

The score of a head is at chance inside a group, because it is computed from a small view. This
module compares facts of the full resolution. `images/acuity` measures them.
"""

from collections.abc import Callable, Sequence
from math import log2
from statistics import median
from typing import NamedTuple

VERSION = 1
"""The version of the facts. If it is increased, the images of all groups are measured again."""


class Quality(NamedTuple):
    """The technical quality of one image, at its full resolution. None: not measured."""

    pixels: int | None = None
    """the width × the height"""
    bytes: int | None = None
    """the size of the file"""
    sharpness: float | None = None
    """how much detail a pixel of the sharpest parts has, in bits, without the noise"""
    detail: float | None = None
    """the detail of the whole image, in bits: an enlarged copy has no more of it than the small
    image, and a blurred one has less"""
    noise: float | None = None
    """the standard deviation of the noise in the flat parts, in levels of luma (0 to 255)"""
    blocking: float | None = None
    """how visible the grid of JPEG's blocks is: 0 if it is invisible"""
    compression: int | None = None
    """the quality of the JPEG compression, from 1 to 100; None for other formats"""
    highlights: float | None = None
    """the share of the pixels that are clipped to white, from 0 to 1"""
    shadows: float | None = None
    """the share of the pixels that are clipped to black, from 0 to 1"""

    @property
    def is_measured(self) -> bool:
        """Return whether the pixels were measured."""
        return self.detail is not None


_Fact = Callable[[Quality], float | None]
_STANDARD_STEP = 0.576
"""The mean quantisation step of the luma that one per cent of the JPEG standard's table gives."""


def _log(value: float | None, unit: float = 1.0) -> float | None:
    return None if value is None else log2(1 + value / unit)


def _noise(image: Quality) -> float | None:
    """Return the logarithm of the variance of the noise. A deviation of 2 is just visible."""
    return None if image.noise is None else _log(image.noise**2, 4.0)


def _step(image: Quality) -> float | None:
    """Return the logarithm of the mean quantisation step of a JPEG."""
    quality = image.compression
    if quality is None:
        return None
    percent = 200 - 2 * quality if quality >= 50 else 5000 / max(1, quality)
    return _log(percent, 1 / _STANDARD_STEP)


FACTS: tuple[tuple[float, _Fact], ...] = (
    (1.0, lambda image: _log(image.detail)),
    (-0.3, _noise),
    (-2.8, lambda image: _log(image.blocking)),
    (-0.3, _step),
    (-2.5, lambda image: image.highlights),
    (-1.0, lambda image: image.shadows),
    (0.05, lambda image: _log(image.pixels)),
    (0.02, lambda image: _log(image.bytes)),
)
"""The weight of each fact. The unit of the sum is a doubling of the detail. The weights were fitted
to degraded copies of real images, and judged on other images (bench/best_of_group.py)."""


def best_first(members: Sequence[Quality]) -> list[int]:
    """Return the indices of the members of one group, the best image first.

    A fact that is not measured counts like the median of the fact in the group, so that an image
    is neither better nor worse because it is not measured yet. Equal images keep their sequence.
    """
    if len(members) < 2:
        return list(range(len(members)))
    sums = [0.0] * len(members)
    for weight, fact in FACTS:
        values = [fact(member) for member in members]
        if values.count(values[0]) == len(values):
            continue  # The fact is the same for all, or is not measured.
        known = [value for value in values if value is not None]
        middle = median(known) if len(known) < len(values) else 0.0
        for index, value in enumerate(values):
            sums[index] += weight * (middle if value is None else value)
    return sorted(range(len(members)), key=lambda index: (-sums[index], index))
