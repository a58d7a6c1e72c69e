"""Compare an image with parts of another image: crops, frames, and screenshots that show it.

Only the grids of the images are compared, 16 × 16 means of luma. The part is searched at several
sizes and positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.placement import whole_windows
from imgscore.images.traits import GRID_SIDE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Trial(NamedTuple):
    """The parts that are tried in one step.

    `side`: the rows and columns of the means that are compared. `distance`: the largest distance
    between two positions, as a share of the side of the image. `shares`: the lengths of the parts,
    as shares of the longest length that fits. `enough`: the smallest correlation after which the
    next step follows.
    """

    side: int
    distance: float
    shares: tuple[float, ...]
    enough: float


TRIALS = (
    Trial(4, 0.12, (1.0, 0.88, 0.76, 0.64, 0.5), 0.75),
    Trial(8, 0.11, (1.0, 0.9, 0.8, 0.7, 0.58, 0.46), 0.75),
    Trial(8, 0.05, (1.0, 0.95, 0.9, 0.84, 0.78, 0.72, 0.64, 0.56, 0.48, 0.4), 1.0),
)
"""The steps. The first one takes a tenth of the time, and sorts out most pairs of different images.
A part of a grid has too few cells for finer means than 8 × 8."""
MIN_SHARE = 0.25
"""The smallest length of a part, as a share of the side: 4 cells of the grid."""
MIN_DEVIATION = 4.0
"""The smallest standard deviation of the luma of a part, in levels from 0 to 255."""
ASPECT_STEP = 0.03
"""The step to which the natural logarithm of the quotient of two aspect ratios is rounded, so that
many pairs are compared at once. It is half of the smallest step of the lengths."""
BATCH = 512
"""The number of pairs that are compared at once. Their parts use 40 MB."""


class _Parts(NamedTuple):
    """The parts of one length. They are at each of x positions in each of y rows.

    `down`: the weights of the rows of a grid, float32 [y · side, 16]. `across`: the weights of its
    columns, for products, [side, 16 · x]. `squares`: for two columns with the distance
    0, 1 and so on, their weights in the sum of the squares of the means of a part, [side · 16, x].
    `mean`: the weights of the mean of a part × side, [side · 16, x].
    """

    down: Floats
    across: Floats
    squares: list[Floats]
    mean: Floats


class Alignments(NamedTuple):
    """The parts that fit best. `correlations`: float32 [p].

    `windows`: float64 [p, 4], the left, top, width and height of the part, in shares of the sides
    of the other image; all of it if no part reached the last step.
    """

    correlations: Floats
    windows: NDArray[np.float64]

    def of(self, pairs: slice | NDArray[np.bool_]) -> Alignments:
        """Return the alignments of some of the pairs."""
        return Alignments(self.correlations[pairs], self.windows[pairs])


def best_alignments(
    grids: Floats, aspects: NDArray[np.float64], whole: NDArray[np.int64], other: NDArray[np.int64]
) -> Alignments:
    """Return the highest correlation of each whole image with a part of the other one.

    `grids`: float32 [n, 256], the luma of the grids from 0 to 255. `aspects`: float64 [n], the
    width / height. `whole`, `other`: int64 [p], the rows of the pairs.
    """
    found = np.full(len(whole), -1, np.float32)
    windows = whole_windows(len(whole))
    if not len(whole):
        return Alignments(found, windows)
    reduced = {side: _reduced(grids, side) for side in {trial.side for trial in TRIALS}}
    others = grids.reshape(-1, GRID_SIDE, GRID_SIDE)
    quotient = np.log(aspects[other] / aspects[whole])
    rounded = np.round(quotient / ASPECT_STEP).astype(np.int64)
    # The sums of the parts of an image are computed once for all its pairs in a batch.
    order = np.lexsort((other, rounded))
    starts = np.flatnonzero(np.diff(rounded[order], prepend=rounded[order][:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        for first in range(start, stop, BATCH):
            pairs = order[first : min(first + BATCH, stop)]
            step = int(rounded[pairs[0]])
            found[pairs], windows[pairs] = _compared(
                reduced, others, whole[pairs], other[pairs], step
            )
    return Alignments(found, windows)


def _compared(
    reduced: dict[int, Floats], others: Floats, whole: Ints, other: Ints, step: int
) -> tuple[Floats, NDArray[np.float64]]:
    """Return the highest correlations of whole images with parts of other ones, and the windows.

    `reduced`: the results of `_reduced` for all images, by side. `others`: their grids [n, 16, 16].
    If a step finds too little, its result is halved, so that no limit is reached.
    """
    best = np.full(len(whole), -1, np.float32)
    windows = whole_windows(len(whole))
    left = np.arange(len(whole))
    for trial in TRIALS:
        found, part = _best(reduced[trial.side][whole[left]], others, other[left], step, trial)
        if trial is TRIALS[-1]:
            best[left] = found
            known = part >= 0
            windows[left[known]] = _windows_of(step, trial)[part[known]]
            break
        best[left] = found / 2
        left = left[found >= trial.enough]
        if not len(left):
            break
    return best, windows


def _best(
    wholes: Floats, others: Floats, other: Ints, step: int, trial: Trial
) -> tuple[Floats, Ints]:
    """Return the highest correlations, and the numbers of the parts; -1: there is no part."""
    best, chosen = np.full(len(wholes), -1, np.float32), np.full(len(wholes), -1, np.int64)
    floor, first = (MIN_DEVIATION * trial.side) ** 2, 0
    # Most images are the other one of several pairs.
    rows, at = np.unique(other, return_inverse=True)
    for parts in _parts(step, trial):
        correlation, squared = _products(wholes, others[rows], at, parts)
        correlation /= np.sqrt(np.maximum(squared, floor))[at]
        highest = correlation.argmax(axis=1)
        value = correlation[np.arange(len(wholes)), highest]
        better = value > best
        best[better], chosen[better] = value[better], first + highest[better]
        first += correlation.shape[1]
    return best, chosen


def _products(wholes: Floats, others: Floats, at: Ints, parts: _Parts) -> tuple[Floats, Floats]:
    """Return the products of images with parts [p, parts], and the parts' sums of squares.

    `wholes`: centred, so the mean of a part has no effect on a product, [p, side²]. `others`: the
    grids [u, 16, 16]. `at`: which of them belongs to each image. The sums of the squares of the
    centred parts are [u, parts]. The means of all parts are never in memory: these products and
    sums need those of the rows only. Each array is made by one product of large matrices.
    """
    side, wide = len(parts.across), parts.mean.shape[1]
    # For each y and each row of a part, the means of the cells in each column.
    means = np.matmul(parts.down, others).reshape(-1, side * GRID_SIDE)
    high = len(means) // len(others)
    weighted = (wholes.reshape(-1, side) @ parts.across).reshape(len(wholes), -1, wide)
    product = np.matmul(means.reshape(len(others), high, -1)[at], weighted)
    squared = (means * means) @ parts.squares[0]
    flat, shifted = means.ravel(), np.empty_like(means)
    for distance, weights in enumerate(parts.squares[1:], 1):
        # The products of the last columns of a row with the next row have the weight 0.
        np.multiply(flat[:-distance], flat[distance:], out=shifted.ravel()[:-distance])
        shifted.ravel()[-distance:] = 0
        squared += shifted @ weights
    mean = means @ parts.mean
    squared -= mean * mean
    return product.reshape(len(wholes), -1), squared.reshape(len(others), -1)


def _reduced(grids: Floats, side: int) -> Floats:
    """Return the grids as side × side means, centred and of unit length, float32 [n, side²].

    The row of a grid with a small deviation is zero.
    """
    cells = GRID_SIDE // side
    means = grids.reshape(-1, side, cells, side, cells).mean(axis=(2, 4)).reshape(-1, side * side)
    means = means - means.mean(axis=1, keepdims=True)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    clear = length >= MIN_DEVIATION * side
    return np.asarray(np.where(clear, means / np.maximum(length, 1e-6), 0), np.float32)


@lru_cache(maxsize=512)
def _parts(step: int, trial: Trial) -> list[_Parts]:
    """Return the parts of a trial.

    `step`: the rounded logarithm of the quotient of the aspect ratios, in steps of ASPECT_STEP.
    """
    return [
        _Parts(_windows(height, trial).reshape(-1, GRID_SIDE), *_across(width, trial))
        for share in trial.shares
        for width, height in [_lengths(share, float(np.exp(step * ASPECT_STEP)))]
        if min(width, height) >= MIN_SHARE
    ]


@lru_cache(maxsize=2048)
def _across(length: float, trial: Trial) -> tuple[Floats, list[Floats], Floats]:
    """Return `across`, `squares` and `mean` of `_Parts` for parts of this width."""
    right = _windows(length, trial)
    across = np.ascontiguousarray(right.transpose(1, 2, 0)).reshape(trial.side, -1)
    mean = np.tile(right.sum(axis=1).T / trial.side, (trial.side, 1))
    return across, list(_squares(right)), mean


def _squares(right: Floats) -> Iterator[Floats]:
    """Yield `_Parts.squares`. `right`: the weights of columns, [x, side, 16]."""
    for distance in range(GRID_SIDE):
        both = (right[..., : GRID_SIDE - distance] * right[..., distance:]).sum(axis=1)
        if not both.any():
            break
        weights = np.zeros((GRID_SIDE, len(right)), np.float32)
        weights[: GRID_SIDE - distance] = both.T * (2 if distance else 1)
        yield np.tile(weights, (right.shape[1], 1))


@lru_cache(maxsize=512)
def _windows_of(step: int, trial: Trial) -> NDArray[np.float64]:
    """Return the windows of the parts of a trial, in the order of `_all_parts`, [positions, 4]."""
    windows = [
        (left, top, width, height)
        for share in trial.shares
        for width, height in [_lengths(share, float(np.exp(step * ASPECT_STEP)))]
        if min(width, height) >= MIN_SHARE
        for top in _starts(height, trial)
        for left in _starts(width, trial)
    ]
    return np.array(windows, np.float64).reshape(-1, 4)


def _starts(length: float, trial: Trial) -> list[float]:
    """Return the positions of a part of this length, as shares of the side."""
    count = int(np.ceil((1 - length) / trial.distance - 1e-9)) + 1
    return [float(start) for start in np.linspace(0, 1 - length, count)]


def _lengths(share: float, quotient: float) -> tuple[float, float]:
    """Return the width and height of a part, as shares of the sides of the other image."""
    return (share / quotient, share) if quotient >= 1 else (share, share * quotient)


@lru_cache(maxsize=2048)
def _windows(length: float, trial: Trial) -> Floats:
    """Return the weights of cells for each position of a part, float32 [positions, side, 16]."""
    starts = np.array(_starts(length, trial))[:, None]
    edges = (starts + length * np.arange(trial.side + 1) / trial.side) * GRID_SIDE
    cells = np.arange(GRID_SIDE)
    last = np.minimum(edges[:, 1:, None], cells + 1)
    weights = np.clip(last - np.maximum(edges[:, :-1, None], cells), 0, None)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True), np.float32)
