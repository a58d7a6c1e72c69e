"""Find out which of two versions of a picture is marked: by a watermark, a logo, a date or a title.

The fine grids of both versions are compared. A mark changes a part of the picture and nothing else.
In this part, the marked version shows the mark in addition to the picture, so it has more edges.
If the mark is a veil instead, all edges below it are weakened by one factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.cells import (
    Bools,
    Floats,
    Ints,
    Levels,
    count_marked,
    cut,
    double_medians,
    smoothed,
    steepest,
)

Bytes = NDArray[np.uint8]

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
BATCH = 64
"""The number of pairs that are compared at once. Their arrays fit into the cache of a processor."""
IMAGE_BATCH = 16
"""The number of images whose slopes or details are computed at once, for the same reason."""
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

    `fine`: fine grids, uint8 [n, 64, 64]. `pairs`: rows of them, int64 [p, 2]. 1,024 pairs use
    90 MB if no image is in two of them.
    """
    found = Marks(np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.bool_))
    if not len(pairs):
        return found
    # Most images are in several pairs, so everything about one image is computed once.
    images = _Images(fine)
    versions = [
        _versions(images, pairs[start : start + BATCH], start)
        for start in range(0, len(pairs), BATCH)
    ]
    details = _Details(fine, np.unique(pairs[np.concatenate([at for at, *_ in versions])]))
    for at, is_similar, difference, changed in versions:
        left, right = pairs[at].T
        pair = _Pair(
            fine[left].astype(np.float32),
            fine[right].astype(np.float32),
            difference * np.float32(0.5),
            changed,
            np.minimum(images.slopes[left], images.slopes[right]),
        )
        quiet = [_quiet(details, rows, pair) for rows in (left, right)]
        found.same[at] = is_similar & (np.maximum(*quiet) >= MIN_JOIN_QUIET)
        some = np.flatnonzero(np.maximum(*quiet) >= MIN_QUIET)
        if len(some):
            is_quiet = [share[some] >= MIN_QUIET for share in quiet]
            found.sides[at[some]] = _sides(pair.of(some), is_quiet)
    return found


class _Images:
    """Fine grids, with facts about each image.

    `levels`: int16 [n, 64, 64]. `slopes`: the steepest slope near a cell, float32 [n, 64, 64].
    `limits`: the largest difference of an unchanged cell × 2, int16 [n, 64, 64]. In a pair, the
    smaller limit of both images counts.
    """

    def __init__(self, fine: Bytes) -> None:
        self.levels = fine.astype(np.int16)
        self.slopes = np.empty(fine.shape, np.float32)
        self.limits = np.empty(fine.shape, np.int16)
        for start in range(0, len(fine), IMAGE_BATCH):
            part = slice(start, start + IMAGE_BATCH)
            slopes = steepest(self.levels[part])
            self.slopes[part] = slopes
            # A difference × 2 is whole, so its limit can be rounded down.
            slopes *= np.float32(SLOPE_SHARE)
            slopes += np.float32(MIN_CHANGE)
            slopes *= np.float32(2)
            self.limits[part] = slopes


class _Details:
    """The details of some of the fine grids: `rows`, sorted.

    `limits`: the largest difference of a detail that is the same, without the part of the slopes,
    float32 [n, 64, 64]; negative where a cell is no detail. `counts`: the number of details.
    """

    def __init__(self, fine: Bytes, rows: Ints) -> None:
        self.rows = rows
        self.limits = np.empty((len(rows), *fine.shape[1:]), np.float32)
        self.counts = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), IMAGE_BATCH):
            part = slice(start, start + IMAGE_BATCH)
            luma = fine[rows[part]].astype(np.float32)
            detail = luma - smoothed(luma)
            np.abs(detail, out=detail)
            has_none = detail < MIN_DETAIL
            self.counts[part] = luma[0].size - count_marked(has_none)
            detail *= np.float32(0.15)
            detail += np.float32(1.5)
            detail[has_none] = -np.inf
            self.limits[part] = detail


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


class _Versions(NamedTuple):
    """Those of some pairs whose images are equal except in a part.

    `at`: the numbers of the pairs, int64 [v]. `is_similar`: whether the equal cells show enough to
    join the images, bool [v]. `difference`: second - first, minus its median, × 2, int16
    [v, 64, 64]. `changed`: the cells of the other part, bool [v, 64, 64].
    """

    at: Ints
    is_similar: Bools
    difference: Levels
    changed: Bools


def _versions(images: _Images, pairs: Ints, first: int) -> _Versions:
    """Return those of `pairs` that are versions. `first`: the number of the first pair."""
    left, right = pairs.T
    difference = images.levels[right]
    difference -= images.levels[left]
    shifts = double_medians(difference[:, ::2, ::2].reshape(len(pairs), -1))
    difference *= 2
    difference -= shifts[:, None, None]
    limits = np.minimum(images.limits[left], images.limits[right])
    changed = np.abs(difference) > limits
    share = count_marked(changed) / changed[0].size
    used = (share >= MIN_SHARE) & (share <= MAX_SHARE) & (np.abs(shifts) <= 2 * MAX_TONE_SHIFT)
    at = np.flatnonzero(used)
    difference, changed = difference[at], changed[at]
    luma = images.levels[left[at]].astype(np.float32)
    deviation, roughness, is_equal = _unchanged(luma, difference * np.float32(0.5), changed)
    is_similar = (deviation >= MIN_JOIN_DEVIATION) & (roughness <= MAX_JOIN_ROUGHNESS)
    return _Versions(
        first + at[is_equal], is_similar[is_equal], difference[is_equal], changed[is_equal]
    )


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


def _quiet(details: _Details, rows: Ints, pair: _Pair) -> Floats:
    """Return the share of the details of an image that are the same in both images, float32 [p].

    `rows`: the rows of the images, int64 [p].
    """
    at = np.searchsorted(details.rows, rows)
    limit = np.float32(0.1) * pair.slopes
    limit += details.limits[at]
    same = np.abs(pair.difference) <= limit
    return np.asarray(count_marked(same) / np.maximum(details.counts[at], 1), np.float32)


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
        rows, cells = np.nonzero(size >= MIN_DETAIL)
        own, veiled, size = edge[rows, cells], other[rows, cells], size[rows, cells]
        limit = 0.15 * size + 1
        fits = [
            np.bincount(rows, size * (np.abs(veiled - np.float32(slope) * own) <= limit), count)
            for slope in VEIL_SLOPES
        ]
        shares[at] = np.max(fits, axis=0) / np.maximum(np.bincount(rows, size, count), 40)
    return shares


def _either(changed: Bools, axis: int) -> Bools:
    low, high = cut(axis)
    return np.asarray(changed[low] | changed[high])


def _both(changed: Bools, axis: int) -> Bools:
    low, high = cut(axis)
    return np.asarray(changed[low] & changed[high])


def _sum(values: NDArray[np.generic]) -> Floats:
    return np.asarray(values.sum(axis=(1, 2), dtype=np.float32), np.float32)
