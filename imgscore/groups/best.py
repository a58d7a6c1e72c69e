"""The facts that decide which image of a group is the best, and the order that follows from them.

The score of a head is at chance inside a group, because it is computed from a small view. This
module compares facts of the full resolution. `images/acuity` measures them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import log2
from statistics import median
from typing import NamedTuple

VERSION = 3
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
    """the detail of the whole image, in bits along a side: an enlarged copy has no more of it than
    the small image, and a blurred one has less"""
    noise: float | None = None
    """the standard deviation of the noise in the flat parts, in levels of luma (0 to 255)"""
    step: float | None = None
    """the mean step to which the coarsest JPEG compression has rounded, in levels; 1: not found"""
    compression: int | None = None
    """the quality of the JPEG compression, from 1 to 100; None for other formats"""
    highlights: float | None = None
    """the share of the image that is clipped to white, from 0 to 1"""
    shadows: float | None = None
    """the share of the image that is clipped to black, from 0 to 1"""

    @property
    def is_measured(self) -> bool:
        """Return whether the pixels were measured."""
        return self.detail is not None


SIMILAR_DETAIL = 0.8
"""The share of an image's detail that another image must have, so that it can replace it."""
_STEP_OF_PERCENT = 0.117
"""The mean quantisation step of the five measured coefficients that one per cent of the JPEG
standard's table gives, in levels."""

_Fact = Callable[[Quality], float | None]


def _log(value: float | None) -> float | None:
    return None if value is None else log2(1 + value)


def _noise(image: Quality) -> float | None:
    return None if image.noise is None else log2(1 + image.noise**2)


def _highlights(image: Quality) -> float | None:
    return image.highlights


def _shadows(image: Quality) -> float | None:
    return image.shadows


def _step(image: Quality) -> float | None:
    """Return the logarithm of the rounding of the coarsest compression.

    The step is that found in the pixels, or that of the file if it is larger. Steps below 4 levels
    are hardly visible.
    """
    if image.step is None:
        return None
    step, quality = image.step, image.compression
    if quality is not None:
        percent = 200 - 2 * quality if quality >= 50 else 5000 / max(1, quality)
        step = max(step, _STEP_OF_PERCENT * percent)
    return log2(1 + step**2 / 16)


FACTS: tuple[tuple[float, _Fact], ...] = (
    (1.0, lambda image: _log(image.detail)),
    (-0.02, _noise),
    (-3.4, _highlights),
    (-1.0, _shadows),
    (0.002, lambda image: _log(image.pixels)),
    (0.001, lambda image: _log(image.bytes)),
)
"""The weight of each fact. The unit of the sum is a doubling of the detail. The weights were fitted
to degraded copies of real images, and judged on other images (bench/RESULTS.md). The numbers of
pixels and of bytes decide only between images that are not measured, or are equal in all else."""
MAX_CLIPPED = 0.1
"""The largest share of clipped pixels that counts, above the smallest one in the group. A white
background is clipped or not by a change of the exposure that is not visible."""
STEP_WEIGHT = -0.35
"""The weight of the excess of the compression's step: how far another image of the group has a
smaller step. This image must have as many pixels and nearly as much detail. A blurred or scaled
copy has no traces of compression, but is not better for that."""


def best_first(members: Sequence[Quality]) -> list[int]:
    """Return the indices of the members of one group, the best image first.

    A fact that is not measured counts like the median of the fact in the group, so that an image
    is neither better nor worse because it is not measured yet. Equal images keep their sequence.
    """
    sums = [0.0] * len(members)
    for weight, fact in FACTS if len(members) > 1 else ():
        values = [fact(member) for member in members]
        if values.count(values[0]) == len(values):
            continue  # The fact is the same for all, or is not measured.
        known = [value for value in values if value is not None]
        if fact in (_highlights, _shadows):
            most = min(known) + MAX_CLIPPED
            values = [value if value is None else min(value, most) for value in values]
            known = [min(value, most) for value in known]
        middle = median(known) if len(known) < len(values) else 0.0
        for index, value in enumerate(values):
            sums[index] += weight * (middle if value is None else value)
    for rivals in _rivals(members):
        for index, excess in zip(rivals, _excesses(members, rivals), strict=True):
            sums[index] += STEP_WEIGHT * excess
    return sorted(range(len(members)), key=lambda index: (-sums[index], index))


def _rivals(members: Sequence[Quality]) -> list[list[int]]:
    """Return the indices of the measured images with equal numbers of pixels, most detail first."""
    found: defaultdict[int | None, list[int]] = defaultdict(list)
    for index, member in enumerate(members):
        if member.detail is not None:
            found[member.pixels].append(index)
    return [
        sorted(indices, key=lambda index: -(members[index].detail or 0.0))
        for indices in found.values()
        if len(indices) > 1
    ]


def _excesses(members: Sequence[Quality], rivals: Sequence[int]) -> list[float]:
    """Return how much coarser each step is than that of an image that can replace the image."""
    values = [_step(members[index]) or 0.0 for index in rivals]
    if values.count(values[0]) == len(values):
        return [0.0] * len(values)
    least = list(accumulate(values, min))
    losses = [-(members[index].detail or 0.0) for index in rivals]
    # The images up to this place have enough detail to replace the image.
    ends = [bisect_left(losses, SIMILAR_DETAIL * loss + 1e-9) for loss in losses]
    return [value - min(value, least[end - 1]) for value, end in zip(values, ends, strict=True)]
