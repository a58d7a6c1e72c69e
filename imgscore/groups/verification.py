"""Verify by details that one image shows a part of another one, or all of it in a frame.

The fine grids are compared, 64 × 64 means of luma. A part is a window (left, top, width, height) of
the other image, in shares of its sides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.placement import (
    Slopes,
    means_of,
    moved,
    placed,
    shares_before,
    unit_of,
    whole_windows,
)
from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FineGrids = Callable[[Ints], tuple[NDArray[np.uint8], Bools]]
"""A function that returns the fine grids of rows, uint8 [n, 64, 64], and whether each is known."""

FIT_SIDE = 16
"""The rows and columns of the means by which the place of a part is found."""
DETAIL_SIDE = 24
"""The rows and columns of the means whose details are compared."""
BLOCKS = 4
"""The rows and columns of blocks whose details are compared one by one."""
MIN_FIT = 0.925
"""The smallest correlation of means at the place that is found. Only then are the details compared.
Nearly all copies have more than 0.93. Drawn portraits with the same outlines, but other hair and
skin, have up to 0.922."""
MAX_FIRST_AREA = 0.99
"""The largest area of the place of a crop after its first move."""
SURROUNDINGS = 2
"""The distance, in cells of DETAIL_SIDE, up to which cells are the surroundings of a detail."""
MIN_DETAILS = 0.8
"""The smallest correlation of the details of a part. Two landscapes with a sky above hills have
equal grids, but correlations of details from .1 to .7."""
MIN_BLOCKS = 0.9
"""The smallest mean correlation of the blocks."""
PLAIN_DETAILS, PLAIN_BLOCKS, PLAIN_TEXTURED = 0.95, 0.97, 8
"""The same limits, and the smallest number of blocks with content, for images with few tones."""
EQUAL_BLOCKS = 0.998
"""The smallest mean correlation of the blocks of two versions of one photograph. Another photograph
of a burst is shifted a little."""
SIMILAR_BLOCKS = 0.75
"""The smallest mean correlation of the blocks of images with equal grids. Copies with a watermark
have correlations from 0.72, and nearly all from 0.85; different pages of one layout up to 0.70."""
REPLACED_SIDE, MIN_REPLACED_TEXTURE, MAX_REPLACED = 8, 8.0, 0.25
"""The limits by which a replaced square is recognized: its side in cells, the smallest standard
deviation of the square in both images, in levels, and the largest correlation of the squares. The
square is a fourth of a block, because a small picture in a window fills no block."""
GOOD_BLOCK, MIN_GOOD = 0.8, 0.75
"""The smallest correlation of a block that agrees, and the smallest share of such blocks."""
FLAT_PRODUCT = 1.0
"""The smallest divisor of the product of two blocks; else the divisor is the product of their
lengths. Without it, rounding errors correlate in blocks of one tone, and decided two in a thousand
links."""
MIN_TEXTURE, MIN_TEXTURED = 3.0, 5
"""The smallest standard deviation of a block with content, in levels from 0 to 255, and the
smallest number of such blocks. An image with fewer of them shows too little to be compared."""
MAX_WEIGHT = 20.0
"""The largest weight of a block, in levels: a hard edge weighs no more than a texture."""
MAX_DISTORTION = 0.1
"""The largest natural logarithm of the quotient of the aspect ratios of the image and the part."""
BATCH = 256
"""The number of pairs that are compared at once. Their sums use 10 MB. A larger batch is slower,
because its arrays leave the cache of the processor."""


class Match(NamedTuple):
    """The similarity of each image to a window of the other image of its pair.

    `blocks`: the mean correlation of the blocks, float32 [p]. `good`: the share of the blocks that
    agree, float32 [p]. `textured`: the number of blocks with content, int64 [p].
    """

    blocks: Floats
    good: Floats
    textured: Ints


class _Blocks(NamedTuple):
    """The blocks of pictures. `cells`: their centred means, float32 [p, BLOCKS², means of a block].

    `lengths`: the root of the sum of squares of each block, float32 [p, BLOCKS²].
    """

    cells: Floats
    lengths: Floats

    def of(self, rows: Ints | slice) -> _Blocks:
        """Return the blocks of some of the pictures."""
        return _Blocks(self.cells[rows], self.lengths[rows])


class Pictures:
    """Fine grids, uint8 [n, 64, 64], with means of their luma."""

    def __init__(self, fine: NDArray[np.uint8]) -> None:
        self.fine = fine
        self.means = _reduced(fine)
        self.units = unit_of(self.means)


def _reduced(fine: NDArray[np.uint8]) -> Floats:
    """Return the means of fine grids in the size in which places are found, [n, 16, 16]."""
    step = FINE_GRID_SIDE // FIT_SIDE
    rows = fine.reshape(len(fine), FIT_SIDE, step, FINE_GRID_SIDE).sum(axis=2, dtype=np.uint16)
    cells = rows.reshape(len(fine), FIT_SIDE, FIT_SIDE, step).sum(axis=3, dtype=np.uint16)
    return np.asarray(cells, np.float32) / np.float32(step * step)


class Candidates(NamedTuple):
    """Pairs of rows of Pictures, one a whole image, and the other one may show it.

    `whole`, `other`: int64 [p]. `quotients`: the aspect ratio of the other image / that of the
    whole one, float64 [p]. `plain`: whether the whole image has few tones, bool [p].
    """

    whole: Ints
    other: Ints
    quotients: NDArray[np.float64]
    plain: Bools

    def of(self, pairs: Ints | slice) -> Candidates:
        """Return some of the pairs."""
        return Candidates(
            self.whole[pairs], self.other[pairs], self.quotients[pairs], self.plain[pairs]
        )


def no_fine_grids(rows: Ints) -> tuple[NDArray[np.uint8], Bools]:
    """Return fine grids of which none is known. This function is a FineGrids."""
    shape = len(rows), FINE_GRID_SIDE, FINE_GRID_SIDE
    return np.zeros(shape, np.uint8), np.zeros(len(rows), np.bool_)


def are_parts(
    pictures: Pictures, pairs: Candidates, starts: NDArray[np.float64], max_area: float = 1.0
) -> tuple[Bools, NDArray[np.float64]]:
    """Return whether each whole image agrees with a window near `starts` of the other image.

    `starts`: the first windows, float64 [p, 4]. `max_area`: the largest area of such a window. Also
    return the last windows, float64 [p, 4].
    """
    found = np.zeros(len(pairs.whole), np.bool_)
    places = starts.copy()
    for first in range(0, len(found), BATCH):
        part = slice(first, first + BATCH)
        whole, other, quotients, plain = pairs.of(part)
        shown = pictures.fine[other].astype(np.float32)
        windows, fit = placed(pictures.units[whole], shown, starts[part])
        small = windows[:, 2] * windows[:, 3] <= max_area
        kept = np.flatnonzero((fit >= MIN_FIT) & small & _has_aspect(windows, quotients))
        if len(kept):
            equal = _are_equal(pictures.fine[whole[kept]], shown[kept], windows[kept], plain[kept])
            found[first + kept] = equal
            places[first + kept] = windows[kept]
    return found, places


def may_be_crops(pictures: Pictures, whole: Ints, other: Ints) -> Bools:
    """Return whether whole images can be crops of about equal other images, bool [p].

    The first move of the place of a crop makes it smaller.
    """
    slopes = Slopes(pictures.means, pictures.units)
    found = np.zeros(len(whole), np.bool_)
    for start in range(0, len(whole), BATCH):
        part = slice(start, start + BATCH)
        wanted, at = pictures.units[whole[part]], other[part]
        fit = np.einsum("pk,pk->p", wanted, pictures.units[at])
        windows = moved(whole_windows(len(at)), slopes.moves(wanted, fit, at))
        found[part] = windows[:, 2] * windows[:, 3] <= MAX_FIRST_AREA
    return found


def are_equal(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Return whether two fine grids [64, 64] have equal details, but for compression."""
    grids = np.stack([first, second]).astype(np.float32)
    blocks = _blocks_of(means_of(grids, whole_windows(2), DETAIL_SIDE))
    match = _match(blocks.of(slice(0, 1)), blocks.of(slice(1, 2)))
    return bool(match.textured[0] >= MIN_TEXTURED and match.blocks[0] >= EQUAL_BLOCKS)


def are_different(fine: NDArray[np.uint8], pairs: Ints) -> Bools:
    """Return whether images with equal grids have other details, bool [p].

    `fine`: fine grids, uint8 [n, 64, 64]. `pairs`: rows of them, int64 [p, 2]. Images with few
    details are not different. A small part of a screen can show something else, such as another
    picture in the same window.
    """
    # Most images are in several pairs, so everything about one image is computed once.
    blocks = _blocks_of(means_of(fine.astype(np.float32), whole_windows(len(fine)), DETAIL_SIDE))
    squares = _in_squares(fine)
    deviations = np.sqrt(np.einsum("nij,nij->ni", squares, squares) / squares.shape[2])
    differ = np.empty(len(pairs), np.bool_)
    for start in range(0, len(pairs), BATCH):
        first, second = pairs[start : start + BATCH].T
        match = _match(blocks.of(first), blocks.of(second))
        changed = (match.blocks < SIMILAR_BLOCKS) & (match.textured >= MIN_TEXTURED)
        product = np.einsum("pij,pij->pi", squares[first], squares[second]) / squares.shape[2]
        replaced = np.minimum(deviations[first], deviations[second]) >= MIN_REPLACED_TEXTURE
        replaced &= product < MAX_REPLACED * deviations[first] * deviations[second]
        differ[start : start + BATCH] = changed | replaced.any(axis=1)
    return differ


def _in_squares(fine: NDArray[np.uint8]) -> Floats:
    """Return the centred squares of REPLACED_SIDE cells of fine grids, float32 [p, n, cells]."""
    count, number = len(fine), FINE_GRID_SIDE // REPLACED_SIDE
    cut = fine.reshape(count, number, REPLACED_SIDE, number, REPLACED_SIDE)
    squares = cut.transpose(0, 1, 3, 2, 4).reshape(count, number**2, REPLACED_SIDE**2)
    return np.asarray(squares - squares.mean(axis=2, keepdims=True, dtype=np.float32), np.float32)


def _details_of(first: Floats, second: Floats) -> Floats:
    """Return the correlations of the details of pictures, float32 [p]."""
    one, two = (unit_of(_details(picture)) for picture in (first, second))
    return np.asarray(np.einsum("pk,pk->p", one, two))


def _match(first: _Blocks, second: _Blocks) -> Match:
    product = np.maximum(first.lengths * second.lengths, FLAT_PRODUCT)
    correlation = np.einsum("pbk,pbk->pb", first.cells, second.cells) / product
    deviation = np.maximum(first.lengths, second.lengths) / (DETAIL_SIDE // BLOCKS)
    textured = deviation >= MIN_TEXTURE
    number = textured.sum(axis=1)
    good = (textured & (correlation >= GOOD_BLOCK)).sum(axis=1) / np.maximum(number, 1)
    weight = np.minimum(deviation, MAX_WEIGHT)
    mean = (correlation * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-3)
    return Match(mean, good.astype(np.float32), number)


def _has_aspect(windows: NDArray[np.float64], quotients: NDArray[np.float64]) -> Bools:
    """Return whether windows have about the aspect ratio of the whole images, bool [p]."""
    sides = windows[:, 2] / windows[:, 3]
    return np.asarray(np.abs(np.log(quotients * sides)) <= MAX_DISTORTION)


def _are_equal(
    whole: NDArray[np.uint8], other: Floats, windows: NDArray[np.float64], plain: Bools
) -> Bools:
    """Return whether the details of images are those of the windows of other images, bool [p]."""
    first, second = _as_coarse(whole, windows), means_of(other, windows, DETAIL_SIDE)
    details = _details_of(first, second)
    equal = details >= np.where(plain, PLAIN_DETAILS, MIN_DETAILS)
    near = np.flatnonzero(equal)
    if len(near):
        match = _match(_blocks_of(first[near]), _blocks_of(second[near]))
        plain = plain[near]
        equal[near] = (
            (match.blocks >= np.where(plain, PLAIN_BLOCKS, MIN_BLOCKS))
            & (match.good >= MIN_GOOD)
            & (match.textured >= np.where(plain, PLAIN_TEXTURED, MIN_TEXTURED))
        )
    return np.asarray(equal)


def _as_coarse(fine: NDArray[np.uint8], windows: NDArray[np.float64]) -> Floats:
    """Return the means of images [p, 64, 64] as if they were shown in windows of fine grids.

    The cells of the other grid are large in a small window, and contain no finer details.
    """
    down, right = (_shown_weights(windows[:, axis], windows[:, axis + 2]) for axis in (1, 0))
    means: Floats = np.matmul(np.matmul(down, fine.astype(np.float32)), right.transpose(0, 2, 1))
    return means


def _shown_weights(start: NDArray[np.float64], length: NDArray[np.float64]) -> Floats:
    """Return the weights of the cells of an image in the means of a window, [p, side, 64].

    A mean is made of cells of the other grid, and each of them of cells of the image. So the sum
    of all luma before a step is interpolated between the edges of a cell of the other grid.
    """
    count, steps = FINE_GRID_SIDE, np.arange(DETAIL_SIDE + 1) / DETAIL_SIDE
    start, length = start[:, None], np.maximum(length, 1e-3)[:, None]
    cell = np.minimum(np.floor((start + length * steps) * count + 1e-9), count - 1)
    low, high = (np.clip((cell + end) / count - start, 0, length) / length for end in (0, 1))
    share = np.clip((steps - low) / np.maximum(high - low, 1e-9), 0, 1).astype(np.float32)
    # The share of each cell of the image that is before both edges, and then before each step.
    before = shares_before(low, count)
    before += share[:, :, None] * (shares_before(high, count) - before)
    weights: Floats = np.diff(before, axis=1)
    weights *= np.float32(DETAIL_SIDE / count)
    return weights


def _details(pictures: Floats) -> Floats:
    """Return the differences of means from the mean of their surroundings, [p, side, side]."""
    around = np.matmul(np.matmul(_surroundings(), pictures), _surroundings().T)
    return np.asarray(pictures - around)


@lru_cache(maxsize=1)
def _surroundings() -> Floats:
    """Return the weights of rows or columns in the mean of their surroundings, [side, side]."""
    weights = np.zeros((DETAIL_SIDE, DETAIL_SIDE), np.float32)
    for row in range(DETAIL_SIDE):
        for distance in range(-SURROUNDINGS, SURROUNDINGS + 1):
            near = min(max(row + distance, 0), DETAIL_SIDE - 1)
            weights[row, near] += 1 / (2 * SURROUNDINGS + 1)
    return weights


def _blocks_of(pictures: Floats) -> _Blocks:
    """Return the blocks of pictures, float32 [p, side, side]."""
    side = DETAIL_SIDE // BLOCKS
    cut = pictures.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    cells = cut.reshape(len(pictures), BLOCKS**2, side * side)
    cells = cells - cells.mean(axis=2, keepdims=True)
    return _Blocks(cells, np.sqrt(np.einsum("pbk,pbk->pb", cells, cells)))
