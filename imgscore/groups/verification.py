"""Verify by details that one image shows a part of another one, or all of it in a frame.

The fine grids are compared, 64 × 64 means of luma. A part is a window (left, top, width, height) of
the other image, in shares of its sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.placement import MIN_START, means_of, placed, sums_of, unit_of
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
MIN_FIT = 0.8
"""The smallest correlation of the last place, whose details are compared. Most pairs of different
images are sorted out by it."""
SURROUNDINGS = 2
"""The distance in means up to which a detail is compared with its surroundings."""
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
"""The side of a square in cells; and the smallest standard deviation of a square of both images, in
levels, and the largest correlation, at which the square shows something else. It is a fourth of a
block, because a small picture in a window fills no block."""
GOOD_BLOCK, MIN_GOOD = 0.8, 0.75
"""The smallest correlation of a block that agrees, and the smallest share of such blocks."""
MIN_TEXTURE, MIN_TEXTURED = 3.0, 5
"""The smallest standard deviation of a block with content, in levels from 0 to 255, and the
smallest number of such blocks. An image with fewer of them shows too little to be compared."""
MAX_WEIGHT = 20.0
"""The largest weight of a block, in levels: a hard edge weighs no more than a texture."""
MAX_DISTORTION = 0.1
"""The largest natural logarithm of the quotient of the aspect ratios of the image and the part."""
FLAT_RANGE = 16
"""The largest range of luma in a row or column of a frame, in levels: the noise of JPEG."""
MAX_CONTENT = 0.92
"""The largest area of the content of an image that is framed."""
BATCH = 256
"""The number of pairs that are compared at once. Their sums use 10 MB. A larger batch is slower,
because its arrays leave the cache of the processor."""


class Match(NamedTuple):
    """The similarity of each image to a window of the other image of its pair.

    `windows`: float64 [p, 4]. `details`, `blocks`: the correlations, float32 [p]. `good`: the share
    of the blocks that agree, float32 [p]. `textured`: the number of blocks with content, int64 [p].
    """

    windows: NDArray[np.float64]
    details: Floats
    blocks: Floats
    good: Floats
    textured: Ints


class Pictures:
    """Fine grids, uint8 [n, 64, 64], with the sums from which means are computed.

    `known`: the result of `contents`, if it is known.
    """

    def __init__(self, fine: NDArray[np.uint8], known: NDArray[np.float64] | None = None) -> None:
        self.fine = fine
        self.sums = sums_of(fine)
        step = FINE_GRID_SIDE // FIT_SIDE
        means = np.diff(np.diff(self.sums[:, ::step, ::step], axis=1), axis=2)
        self.units = unit_of(means)
        self.contents = contents(fine) if known is None else known


class Contents:
    """The contents of images without their frames, for the rows `rows` of a library.

    `fine`: the function that returns fine grids. `known`: whether the fine grid is known, bool [n].
    `windows`: the results of `contents`, float64 [n, 4]. The other fields are private.
    """

    def __init__(self, rows: Ints, fine: FineGrids) -> None:
        self.known = np.zeros(len(rows), np.bool_)
        self.windows = np.tile([0.0, 0.0, 1.0, 1.0], (len(rows), 1))
        self._place = np.full(len(rows), -1, np.int64)
        units = [np.empty((0, FIT_SIDE**2), np.float16)]
        count = 0
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            grids, known = fine(rows[part])
            windows = contents(grids)
            framed = np.flatnonzero(known & (windows[:, 2] * windows[:, 3] <= MAX_CONTENT))
            means = means_of(sums_of(grids[framed]), windows[framed], FIT_SIDE)
            units.append(unit_of(means).astype(np.float16))
            self.known[part], self.windows[part] = known, windows
            self._place[start + framed] = count + np.arange(len(framed))
            count += len(framed)
        self._units = np.concatenate(units)

    def may_be(self, grids: Floats, whole: Ints, other: Ints) -> Bools:
        """Return whether images can be the contents of framed images, bool [p].

        `grids`: the grids of the library, float32 [n, 256]. `whole`: the rows of the images.
        `other`: the framed images, as indices of `rows`. An image whose place would not be
        corrected cannot be the content.
        """
        place = self._place[other]
        framed = np.flatnonzero(place >= 0)
        found = np.zeros(len(other), np.bool_)
        for start in range(0, len(framed), 4 * BATCH):
            at = framed[start : start + 4 * BATCH]
            units = self._units[place[at]].astype(np.float32)
            found[at] = np.einsum("pk,pk->p", unit_of(grids[whole[at]]), units) >= MIN_START - 0.03
        return found


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
    pictures: Pictures, pairs: Candidates, starts: NDArray[np.float64]
) -> tuple[Bools, NDArray[np.float64]]:
    """Return whether each whole image agrees with a window near `starts` of the other image.

    `starts`: the first windows, float64 [p, 4]. Also return the last windows, float64 [p, 4].
    """
    found = np.zeros(len(pairs.whole), np.bool_)
    places = starts.copy()
    for first in range(0, len(found), BATCH):
        part = slice(first, first + BATCH)
        whole, other, quotients, plain = pairs.of(part)
        windows, fit = placed(pictures.units[whole], pictures.sums[other], starts[part])
        kept = np.flatnonzero((fit >= MIN_FIT) & _has_aspect(windows, quotients))
        if len(kept):
            shown = pictures.fine[whole[kept]], pictures.sums[other[kept]]
            match = compared(*shown, windows[kept])
            found[first + kept] = _is_equal(match, plain[kept])
            places[first + kept] = windows[kept]
    return found, places


def are_equal(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Return whether two fine grids [64, 64] have equal details, but for compression."""
    match = compared(first[None], sums_of(second[None]), np.array([[0.0, 0.0, 1.0, 1.0]]))
    return bool(match.textured[0] >= MIN_TEXTURED and match.blocks[0] >= EQUAL_BLOCKS)


def are_different(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Bools:
    """Return whether images with equal grids have other details, bool [p].

    `first`, `second`: the fine grids, uint8 [p, 64, 64]. Images with few details are not different.
    A small part of a screen can show something else, such as another picture in the same window.
    """
    everything = np.tile([0.0, 0.0, 1.0, 1.0], (len(first), 1))
    match = compared(first, sums_of(second), everything)
    differ = (match.blocks < SIMILAR_BLOCKS) & (match.textured >= MIN_TEXTURED)
    one, two = (_in_squares(fine) for fine in (first, second))
    deviations = [np.sqrt(np.square(squares).mean(axis=2)) for squares in (one, two)]
    product = (one * two).mean(axis=2)
    replaced = np.minimum(*deviations) >= MIN_REPLACED_TEXTURE
    replaced &= product < MAX_REPLACED * deviations[0] * deviations[1]
    return np.asarray(differ | replaced.any(axis=1))


def _in_squares(fine: NDArray[np.uint8]) -> Floats:
    """Return the centred squares of REPLACED_SIDE cells of fine grids, float32 [p, n, cells]."""
    count, number = len(fine), FINE_GRID_SIDE // REPLACED_SIDE
    cut = fine.reshape(count, number, REPLACED_SIDE, number, REPLACED_SIDE)
    squares = cut.transpose(0, 1, 3, 2, 4).reshape(count, number**2, REPLACED_SIDE**2)
    return np.asarray(squares - squares.mean(axis=2, keepdims=True, dtype=np.float32), np.float32)


def contents(fine: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the window of each fine grid [n, 64, 64] without its frame or bars, float64 [n, 4].

    It is the largest run of rows, and then of columns, that are not of one tone.
    """
    count = len(fine)
    rows = np.ones((count, FINE_GRID_SIDE), np.bool_)
    columns = rows.copy()
    for _ in range(2):
        rows = _longest(_range(fine, columns) > FLAT_RANGE)
        columns = _longest(_range(fine.transpose(0, 2, 1), rows) > FLAT_RANGE)
    windows = np.empty((count, 4))
    for at, used in ((0, columns), (1, rows)):
        windows[:, at] = used.argmax(axis=1) / FINE_GRID_SIDE
        windows[:, at + 2] = used.sum(axis=1) / FINE_GRID_SIDE
    return windows


def compared(whole: NDArray[np.uint8], other: Floats, windows: NDArray[np.float64]) -> Match:
    """Compare the details of images with those of windows of other images.

    `whole`: uint8 [p, 64, 64]. `other`: sums, float32 [p, 65, 65].
    """
    pictures = _as_coarse(whole, windows), means_of(other, windows, DETAIL_SIDE)
    first, second = (unit_of(_details(picture)) for picture in pictures)
    details = np.einsum("pk,pk->p", first, second)
    one, two = (_in_blocks(picture) for picture in pictures)
    lengths = np.linalg.norm(one, axis=2), np.linalg.norm(two, axis=2)
    correlation = np.einsum("pbk,pbk->pb", one, two) / np.maximum(lengths[0] * lengths[1], 1e-3)
    deviation = np.maximum(*lengths) / (DETAIL_SIDE // BLOCKS)
    textured = deviation >= MIN_TEXTURE
    number = textured.sum(axis=1)
    good = (textured & (correlation >= GOOD_BLOCK)).sum(axis=1) / np.maximum(number, 1)
    weight = np.minimum(deviation, MAX_WEIGHT)
    mean = (correlation * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-3)
    return Match(windows, details, mean, good.astype(np.float32), number)


def _has_aspect(windows: NDArray[np.float64], quotients: NDArray[np.float64]) -> Bools:
    """Return whether windows have about the aspect ratio of the whole images, bool [p]."""
    sides = windows[:, 2] / windows[:, 3]
    return np.asarray(np.abs(np.log(quotients * sides)) <= MAX_DISTORTION)


def _is_equal(match: Match, plain: Bools) -> Bools:
    return np.asarray(
        (match.details >= np.where(plain, PLAIN_DETAILS, MIN_DETAILS))
        & (match.blocks >= np.where(plain, PLAIN_BLOCKS, MIN_BLOCKS))
        & (match.good >= MIN_GOOD)
        & (match.textured >= np.where(plain, PLAIN_TEXTURED, MIN_TEXTURED))
    )


def _as_coarse(fine: NDArray[np.uint8], windows: NDArray[np.float64]) -> Floats:
    """Return the means of images [p, 64, 64] as if they were shown in windows of fine grids.

    The cells of the other grid are large in a small window, and contain no finer details.
    """
    down, right = (_weights(windows[:, axis], windows[:, axis + 2]) for axis in (1, 0))
    means: Floats = np.matmul(np.matmul(down, fine.astype(np.float32)), right.transpose(0, 2, 1))
    return means


def _weights(start: NDArray[np.float64], length: NDArray[np.float64]) -> Floats:
    """Return the weights of the cells of an image in the means of a window, [p, side, 64].

    A mean is made of cells of the other grid, and each of them of cells of the image.
    """
    cells = np.arange(FINE_GRID_SIDE + 1) / FINE_GRID_SIDE
    steps = np.arange(DETAIL_SIDE + 1) / DETAIL_SIDE
    edges = (cells - start[:, None]) / length[:, None]
    means = _overlaps(np.broadcast_to(steps, (len(start), len(steps))), edges)
    shown = _overlaps(np.clip(edges, 0, 1), np.broadcast_to(cells, edges.shape))
    weights: Floats = np.matmul(means, shown)
    return weights


def _overlaps(outer: NDArray[np.floating], inner: NDArray[np.floating]) -> Floats:
    """Return how much of each part of `outer` is in each part of `inner`, float32 [p, m, n]."""
    outer, inner = outer.astype(np.float32), inner.astype(np.float32)
    last = np.minimum(outer[:, 1:, None], inner[:, None, 1:])
    overlap = np.maximum(last - np.maximum(outer[:, :-1, None], inner[:, None, :-1]), 0)
    total = np.maximum(overlap.sum(axis=2, keepdims=True), 1e-9)
    return np.asarray(overlap / total, np.float32)


def _details(pictures: Floats) -> Floats:
    """Return the differences of means from the mean of their surroundings, [p, side, side]."""
    width, near = 2 * SURROUNDINGS + 1, SURROUNDINGS
    padded = np.pad(pictures, ((0, 0), (near + 1, near), (near + 1, near)), mode="edge")
    padded[:, 0], padded[:, :, 0] = 0, 0
    sums = padded.cumsum(axis=1).cumsum(axis=2)
    around = (
        sums[:, width:, width:] - sums[:, :-width, width:]
        - sums[:, width:, :-width] + sums[:, :-width, :-width]
    )  # fmt: skip
    details: Floats = pictures - around / np.float32(width**2)
    return details


def _in_blocks(pictures: Floats) -> Floats:
    """Return the centred blocks of pictures, float32 [p, BLOCKS², means of a block]."""
    side = DETAIL_SIDE // BLOCKS
    cut = pictures.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    blocks = cut.reshape(len(pictures), BLOCKS**2, side * side)
    return np.asarray(blocks - blocks.mean(axis=2, keepdims=True))


def _range(fine: NDArray[np.uint8], used: Bools) -> NDArray[np.int64]:
    """Return the range of luma in each row, in the columns that are used, int64 [n, 64]."""
    high = np.where(used[:, None, :], fine, 0).max(axis=2).astype(np.int64)
    low = np.where(used[:, None, :], fine, 255).min(axis=2)
    return np.asarray(high - low)


def _longest(used: Bools) -> Bools:
    """Return only the longest run of each row. A row without any stays as a whole: all True."""
    length = np.zeros(len(used), np.int64)
    run, stop, longest = length.copy(), length.copy(), length.copy()
    for at in range(used.shape[1]):
        run = np.where(used[:, at], run + 1, 0)
        longer = run > longest
        longest[longer], stop[longer] = run[longer], at + 1
    cells = np.arange(used.shape[1])
    kept = (cells >= (stop - longest)[:, None]) & (cells < stop[:, None])
    kept[longest == 0] = True
    return np.asarray(kept)
