"""Find out which of two versions of a picture is marked: by a watermark, a logo, a date or a title.

The fine grids of both versions are compared. A mark changes a part of the picture and nothing else.
In this part, the marked version shows the mark in addition to the picture, so it has more edges.
If the mark is a veil instead, all edges below it are weakened by one factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# These limits were chosen on some sources of images, and judged on others: see bench/RESULTS.md.
MIN_CHANGE = 4.0
"""The smallest difference of a changed cell, in levels of luma: twice the noise of JPEG."""
SLOPE_SHARE = 0.35
"""The share of the slope of the picture at a cell that is added to MIN_CHANGE. Two versions of
different sizes can be shifted by a third of a cell, which changes cells on a slope."""
MIN_SHARE, MAX_SHARE = 0.003, 0.35
"""The smallest and the largest share of changed cells. With more of them, the unchanged rest is too
small to show that both are versions of one picture."""
MAX_ROUGHNESS = 0.6
"""The largest difference of the unchanged cells, as a share of the deviation of their luma. Both
are root mean squares."""
MAX_TONE_SLOPE, MAX_TONE_SHIFT = 0.1, 8.0
"""The largest change of the contrast of the unchanged cells, as a share, and of their luma, in
levels. After larger changes of the exposure, clipped tones look like a mark."""
MIN_QUIET = 0.6
"""The smallest share of unchanged details in the version without the mark. Blur changes the details
everywhere, and a mark only in its part."""
MIN_DETAIL = 4.0
"""The smallest difference of a detail from its surroundings, in levels."""
MIN_ADDED, CLEARLY_ADDED = 0.25, 0.5
"""The smallest number of edges that the marked version has more, as a share of the edges of the
difference. The second value counts if the mark both brightens and darkens the picture, as white
letters with black outlines do."""
MIN_ONE_SIGN, MIN_STRONG = 0.3, 20.0
"""The smallest share of the difference that has one sign, and the smallest mean difference, in
levels, of a mark whose difference has both signs. Blur and sharpening change the luma only a
little, and in both directions."""
MAX_ALIKE = 0.8
"""The largest correlation of the edges of both versions in the changed part."""
MIN_OWN, MIN_KEPT = 0.1, 0.08
"""The limits by which a replaced part is recognized, as in two windows that show different
pictures. If the edges of one version in the changed part are at least MIN_OWN of the edges of the
difference, the other version must keep at least MIN_KEPT of them. Both are shares of sums of
squares."""
VEIL_SLOPES = np.arange(0.25, 0.81, 0.1)
"""The factors by which a veil weakens edges."""
MIN_VEILED, MIN_VEILED_MORE = 0.5, 0.15
"""The smallest share of the edges below a veil that are weakened by one factor. And the smallest
excess over the share that follows if the other version is taken for the veiled one."""
MIN_VEIL_SHARE, MIN_VEIL_STRENGTH, MIN_VEIL_ONE_SIGN = 0.01, 15.0, 0.6
"""The smallest share of cells that a veil changes, the smallest mean difference in levels, and the
smallest share of this difference that has one sign."""
MIN_JOIN_DEVIATION, MAX_JOIN_ROUGHNESS, MIN_JOIN_QUIET = 8.0, 0.5, 0.7
"""The limits for two images that are joined only because of their unchanged cells: the deviation of
their luma in levels, their difference as for MAX_ROUGHNESS, and the share of unchanged details."""
BATCH = 512
"""The number of pairs whose images are in memory at once. If no image is in two of them, they use
60 MB."""
COMPARE_BATCH = 64
"""The number of pairs that are compared at once. Their arrays fit into the cache of a processor."""
COARSE_CHANGE, MIN_COARSE_EQUAL = 6.0, 0.55
"""The largest difference in levels of a cell that is equal in two grids, and the smallest share of
such cells. This first test sorts out nearly all pairs of different images."""


class Marks(NamedTuple):
    """The marked images of pairs.

    `sides`: 1 if the second image of a pair is marked, -1 if the first one is, else 0; int64 [p].

    `same`: whether the parts that are not changed suffice to join both images, bool [p].
    """

    sides: NDArray[np.int64]
    same: Bools


def may_be_marked(first: Floats, second: Floats) -> Bools:
    """Return whether most cells of two grids, float32 [p, 256], are equal, bool [p]."""
    difference = first - second
    difference -= np.median(difference, axis=1, keepdims=True)
    share = (np.abs(difference) <= COARSE_CHANGE).mean(axis=1)
    return np.asarray(share >= MIN_COARSE_EQUAL)


def find_marks(fine: Bytes, pairs: Ints) -> Marks:
    """Return which images are marked.

    `fine`: fine grids, uint8 [n, 64, 64]. `pairs`: rows of them, int64 [p, 2].
    """
    found = Marks(np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.bool_))
    levels = fine.astype(np.int16)
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        at = np.flatnonzero(_are_changed(levels, part))
        # Most images are in several pairs, so everything about one image is computed once.
        rows, place = np.unique(part[at], return_inverse=True)
        images = _Images(fine[rows].astype(np.float32))
        for first in range(0, len(at), COMPARE_BATCH):
            chosen = start + at[first : first + COMPARE_BATCH]
            sides, same = _judged(images, place.reshape(-1, 2)[first : first + COMPARE_BATCH])
            found.sides[chosen], found.same[chosen] = sides, same
    return found


def _are_changed(levels: NDArray[np.int16], pairs: Ints) -> Bools:
    """Return whether enough cells of two images differ, bool [p]. `levels`: int16 [n, 64, 64]."""
    changed = np.empty(len(pairs), np.bool_)
    for start in range(0, len(pairs), COMPARE_BATCH):
        first, second = pairs[start : start + COMPARE_BATCH].T
        difference = levels[second] - levels[first]
        # The numbers are doubled, because a median can end with a half.
        difference *= 2
        difference -= np.median(difference[:, ::2, ::2], axis=(1, 2)).astype(np.int16)[
            :, None, None
        ]
        share = (np.abs(difference) > 2 * MIN_CHANGE).mean(axis=(1, 2))
        changed[start : start + COMPARE_BATCH] = share >= MIN_SHARE
    return changed


class _Images:
    """Fine grids, float32 [n, 64, 64], with facts about each image.

    `slopes`: the steepest slope near a cell. `has_detail`: whether a cell is a detail. `limits`:
    the largest difference of a detail that is the same, without the part of the slopes.
    """

    def __init__(self, luma: Floats) -> None:
        self.luma = luma
        self.slopes = _steepest(luma)
        detail = np.abs(luma - _smoothed(luma))
        self.has_detail = detail >= MIN_DETAIL
        self.details = np.maximum(_sum(self.has_detail), 1)
        detail *= np.float32(0.15)
        detail += np.float32(1.5)
        self.limits = detail


class _Pair(NamedTuple):
    """Pairs of fine grids, each float32 [p, 64, 64]. `difference`: second - first, minus its
    median. `changed`: bool [p, 64, 64]. `slopes`: the steepest slope near a cell."""

    first: Floats
    second: Floats
    difference: Floats
    changed: Bools
    slopes: Floats

    def of(self, pairs: Ints) -> _Pair:
        """Return some of the pairs."""
        first, second, difference, changed, slopes = self
        return _Pair(first[pairs], second[pairs], difference[pairs], changed[pairs], slopes[pairs])


def _judged(images: _Images, pairs: Ints) -> Marks:
    """Return which images are marked. Each test is done only where the tests before it agree.

    `pairs`: rows of `images`, int64 [p, 2].
    """
    found = Marks(np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.bool_))
    left, right = pairs.T
    difference = images.luma[right] - images.luma[left]
    shift = np.median(difference[:, ::2, ::2], axis=(1, 2))
    difference -= shift[:, None, None]
    slopes = np.minimum(images.slopes[left], images.slopes[right])
    changed = np.abs(difference) > MIN_CHANGE + SLOPE_SHARE * slopes
    share = changed.mean(axis=(1, 2))
    used = (share >= MIN_SHARE) & (share <= MAX_SHARE) & (np.abs(shift) <= MAX_TONE_SHIFT)
    at = np.flatnonzero(used)
    first = images.luma[left[at]]
    deviation, roughness, is_equal = _unchanged(first, difference[at], changed[at])
    first, deviation, roughness = first[is_equal], deviation[is_equal], roughness[is_equal]
    at = at[is_equal]
    pair = _Pair(first, images.luma[right[at]], difference[at], changed[at], slopes[at])
    quiet = [_quiet(images, pairs[at, side], pair) for side in (0, 1)]
    same = (deviation >= MIN_JOIN_DEVIATION) & (roughness <= MAX_JOIN_ROUGHNESS)
    found.same[at] = same & (np.maximum(*quiet) >= MIN_JOIN_QUIET)
    some = np.flatnonzero(np.maximum(*quiet) >= MIN_QUIET)
    if len(some):
        found.sides[at[some]] = _sides(pair.of(some), [share[some] >= MIN_QUIET for share in quiet])
    return found


def _sides(pair: _Pair, is_quiet: list[Bools]) -> NDArray[np.int64]:
    """Return which images are marked, if the unchanged cells are equal; see `Marks.sides`.

    `is_quiet`: for each image of a pair whether its details are unchanged, bool [p].
    """
    total = _sum(pair.changed)
    strength = _sum(np.abs(pair.difference) * pair.changed)
    one_sign = np.abs(_sum(pair.difference * pair.changed)) / np.maximum(strength, 1)
    strength /= np.maximum(total, 1)
    veils = (one_sign >= MIN_VEIL_ONE_SIGN) & (strength >= MIN_VEIL_STRENGTH)
    veils &= pair.changed.mean(axis=(1, 2)) >= MIN_VEIL_SHARE
    veiled = np.zeros((2, len(pair.first)), np.float32)
    if veils.any():
        veiled[:, veils] = _veiled((pair.first[veils], pair.second[veils]), pair.changed[veils])
    is_veiled = (veiled >= MIN_VEILED) & (veiled - veiled[::-1] >= MIN_VEILED_MORE)
    sides = np.zeros(len(pair.first), np.int64)
    added, alike, kept = _added(pair)
    for at, sign in ((0, 1), (1, -1)):
        has_more = (one_sign >= MIN_ONE_SIGN) & (sign * added >= MIN_ADDED)
        has_more |= (strength >= MIN_STRONG) & (sign * added >= CLEARLY_ADDED)
        has_more &= (alike <= MAX_ALIKE) & ~is_veiled[1 - at]
        is_marked = is_quiet[at] & kept[at] & (has_more | is_veiled[at])
        sides[is_marked] += sign
    return sides


def _unchanged(first: Floats, difference: Floats, changed: Bools) -> tuple[Floats, Floats, Bools]:
    """Return the deviation of luma, and the roughness, of the cells that are not changed.

    Also return whether these cells are equal in both images.
    """
    kept = ~changed
    count = np.maximum(_sum(kept), 1)
    centred = first - (_sum(first * kept) / count)[:, None, None]
    centred *= kept
    difference = difference * kept
    square = np.einsum("pij,pij->p", centred, centred)
    slope = np.einsum("pij,pij->p", centred, difference) / np.maximum(square, 1)
    deviation = np.sqrt(square / count)
    rough = np.sqrt(np.einsum("pij,pij->p", difference, difference) / count)
    rough /= np.maximum(deviation, 1e-3)
    equal = (deviation >= 2) & (rough <= MAX_ROUGHNESS) & (np.abs(slope) <= MAX_TONE_SLOPE)
    return deviation, rough, np.asarray(equal)


def _quiet(images: _Images, rows: Ints, pair: _Pair) -> Floats:
    """Return the share of the details of an image that are the same in both images, float32 [p].

    `rows`: the rows of the images, int64 [p].
    """
    limit = np.float32(0.1) * pair.slopes
    limit += images.limits[rows]
    same = np.abs(pair.difference) <= limit
    same &= images.has_detail[rows]
    return np.asarray(_sum(same) / images.details[rows], np.float32)


def _added(pair: _Pair) -> tuple[Floats, Floats, Bools]:
    """Compare the edges of both images in the changed part.

    Return how many more edges the second image has, as a share of the edges of the difference, from
    -1 to 1; the correlation of the edges; and for each image whether the other one keeps its edges,
    bool [2, p].
    """
    count = len(pair.first)
    lengths, squares = np.zeros((3, count), np.float32), np.zeros((3, count), np.float32)
    product = np.zeros(count, np.float32)
    for axis in (1, 2):
        used = _either(pair.changed, axis)
        edges = [np.diff(image, axis=axis) * used for image in pair[:3]]
        lengths += [_sum(np.abs(edge)) for edge in edges]
        squares += [_sum(np.square(edge)) for edge in edges]
        product += _sum(edges[0] * edges[1])
    added = (lengths[1] - lengths[0]) / np.maximum(lengths[2], 1)
    alike = product / np.sqrt(np.maximum(squares[0] * squares[1], 1))
    own = squares[:2]
    kept = (own < MIN_OWN * squares[2]) | (product >= MIN_KEPT * own)
    return np.asarray(added), np.asarray(alike), np.asarray(kept)


def _veiled(images: tuple[Floats, Floats], changed: Bools) -> Floats:
    """Return the share of the edges of each image that the other one has weakened by one factor.

    `changed`: bool [p, 64, 64]. The result is float32 [2, p].
    """
    count = len(changed)
    edges: list[list[Floats]] = [[], []]
    for axis in (1, 2):
        used = _both(changed, axis)
        for found, image in zip(edges, images, strict=True):
            found.append((np.diff(image, axis=axis) * used).reshape(count, -1))
    one, two = (np.concatenate(found, axis=1) for found in edges)
    shares = np.zeros((2, count), np.float32)
    for at, (edge, other) in enumerate(((one, two), (two, one))):
        size = np.abs(edge)
        weight = size * (size >= MIN_DETAIL)
        fits = [
            (weight * (np.abs(other - np.float32(slope) * edge) <= 0.15 * size + 1)).sum(axis=1)
            for slope in VEIL_SLOPES
        ]
        shares[at] = np.max(fits, axis=0) / np.maximum(weight.sum(axis=1), 40)
    return shares


def _steepest(images: Floats) -> Floats:
    """Return the steepest slope in each 3 × 3 cells, in levels a cell, float32 [p, 64, 64]."""
    down, right = np.gradient(images, axis=(1, 2))
    found: Floats = np.hypot(down, right)
    for axis in (1, 2):
        nearby = found.copy()
        low, high = _cut(axis)
        np.maximum(nearby[low], found[high], out=nearby[low])
        np.maximum(nearby[high], found[low], out=nearby[high])
        found = nearby
    return found


def _smoothed(images: Floats) -> Floats:
    """Return the means of 3 × 3 cells; the cells at the edges count repeatedly."""
    for axis in (1, 2):
        low, high = _cut(axis)
        total = images.copy()
        total[low] += images[high]
        total[high] += images[low]
        first: list[slice | int] = [slice(None)] * 3
        for first[axis] in (0, -1):
            total[tuple(first)] += images[tuple(first)]
        images = total / np.float32(3)
    return images


def _cut(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of all cells but the last one of an axis, and of all but the first one."""
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, FINE_GRID_SIDE - 1), slice(1, None)
    return tuple(low), tuple(high)


def _either(changed: Bools, axis: int) -> Bools:
    low, high = _cut(axis)
    return np.asarray(changed[low] | changed[high])


def _both(changed: Bools, axis: int) -> Bools:
    low, high = _cut(axis)
    return np.asarray(changed[low] & changed[high])


def _sum(values: NDArray[np.generic]) -> Floats:
    return np.asarray(values.sum(axis=(1, 2), dtype=np.float32), np.float32)
