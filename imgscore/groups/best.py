"""The facts that decide which image of a group is the best, and the order that follows from them.

The score of a head is at chance inside a group, because it is computed from a small view. This
module compares facts of the full resolution. `images/acuity` measures them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
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


def _log(value: float) -> float:
    return log2(1 + value)


def _log_of_square(value: float) -> float:
    return log2(1 + value**2)


def _same(value: float) -> float:
    return value


_CLIPPED = ("highlights", "shadows")
FACTS: tuple[tuple[float, str, Callable[[float], float]], ...] = (
    (1.0, "detail", _log),
    (-0.02, "noise", _log_of_square),
    (-3.4, "highlights", _same),
    (-1.0, "shadows", _same),
    (0.002, "pixels", _log),
    (0.001, "bytes", _log),
)
"""The weight of each fact, its field in `Quality`, and the function that is applied to it. The unit
of the sum is a doubling of the detail. The weights were fitted to degraded copies of real images,
and judged on other images (bench/RESULTS.md). The numbers of pixels and of bytes decide only
between images that are not measured, or are equal in all else."""
_INDEXED_FACTS = tuple(
    (weight, Quality._fields.index(name), function, name in _CLIPPED)
    for weight, name, function in FACTS
)
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
    count = len(members)
    if count < 2:
        return list(range(count))
    sums = [0.0] * count
    columns = list(zip(*members, strict=True))
    for weight, at, function, is_clipped in _INDEXED_FACTS:
        column = columns[at]
        if column.count(column[0]) == count:
            continue  # The fact is the same for all, or is not measured.
        known = [function(value) for value in column if value is not None]
        if is_clipped:
            most = min(known) + MAX_CLIPPED
            known = [min(value, most) for value in known]
        if len(known) == count:
            values = known
        else:
            middle, rest = median(known), iter(known)
            values = [middle if value is None else next(rest) for value in column]
        sums = [total + weight * value for total, value in zip(sums, values, strict=True)]
    for index, excess in _excesses(members):
        sums[index] += STEP_WEIGHT * excess
    return sorted(range(count), key=lambda index: -sums[index])


def _excesses(members: Sequence[Quality]) -> Iterator[tuple[int, float]]:
    """Yield (index of an image, how much coarser its step is than that of a better image).

    The better image has as many pixels, and enough detail to replace the image. An image without
    an excess may be left out.
    """
    steps = [_step(member) for member in members]
    if steps.count(steps[0]) == len(steps):
        return
    by_pixels: dict[int | None, list[tuple[float, int]]] = {}
    for index, member in enumerate(members):
        if member.detail is not None:
            by_pixels.setdefault(member.pixels, []).append((-member.detail, index))
    for rivals in by_pixels.values():
        rivals.sort()  # most detail first
        least = list(accumulate((steps[index] for _, index in rivals), min))
        for loss, index in rivals:
            # The images up to this place have enough detail to replace the image.
            end = bisect_left(rivals, (SIMILAR_DETAIL * loss + 1e-9,))
            yield index, steps[index] - min(steps[index], least[end - 1])


def _step(image: Quality) -> float:
    """Return the logarithm of the rounding of the coarsest compression; 0: not found.

    The step is that found in the pixels, or that of the file if it is larger. Steps below 4 levels
    are hardly visible.
    """
    step, quality = image.step, image.compression
    if step is None:
        return 0.0
    if quality is not None:
        percent = 200 - 2 * quality if quality >= 50 else 5000 / max(1, quality)
        step = max(step, _STEP_OF_PERCENT * percent)
    return log2(1 + step**2 / 16)
