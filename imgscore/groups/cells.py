"""Facts about the cells of grids of luma: slopes, means of cells, medians, and counts."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Levels = NDArray[np.int16]


def count_marked(marked: Bools) -> Ints:
    """Return how many cells of each grid are marked, int64 [p]. `marked`: bool [p, rows, columns].

    The size of a grid is a multiple of 8.
    """
    # Eight cells at a time: a sum of bools takes four times as long.
    eights = marked.reshape(len(marked), prod(marked.shape[1:])).view(np.uint64)
    return np.asarray(np.bitwise_count(eights).sum(axis=1, dtype=np.int64))


def double_medians(values: Levels) -> Levels:
    """Return the medians of rows × 2. `values`: from -255 to 255, int16 [p, n], n even."""
    # To count each value takes half the time of np.median.
    bins = values + (255 + 511 * np.arange(len(values)))[:, None]
    counts = np.bincount(bins.ravel(), minlength=511 * len(values)).reshape(-1, 511)
    before, middle = counts.cumsum(axis=1), values.shape[1] // 2
    both = (before < middle).sum(axis=1) + (before <= middle).sum(axis=1)
    return np.asarray(both - 2 * 255, np.int16)


def steepest(levels: Levels) -> Floats:
    """Return the steepest slope in each 3 × 3 cells, in levels a cell, float32 [p, 64, 64]."""
    squares = np.zeros(levels.shape, np.float32)
    for axis in (1, 2):
        grids = levels.swapaxes(axis, 2)
        slopes = np.empty_like(grids, np.float32)
        slopes[..., 1:-1] = grids[..., 2:] - grids[..., :-2]
        slopes[..., 1:-1] *= np.float32(0.5)
        slopes[..., 0] = grids[..., 1] - grids[..., 0]
        slopes[..., -1] = grids[..., -1] - grids[..., -2]
        slopes *= slopes
        squares += slopes.swapaxes(axis, 2)
    for axis in (1, 2):
        nearby = squares.copy()
        low, high = cut(axis)
        np.maximum(nearby[low], squares[high], out=nearby[low])
        np.maximum(nearby[high], squares[low], out=nearby[high])
        squares = nearby
    return np.sqrt(squares, out=squares)


def smoothed(images: Floats) -> Floats:
    """Return the means of 3 × 3 cells; the cells at the edges count repeatedly."""
    for axis in (1, 2):
        low, high = cut(axis)
        total = images.copy()
        total[low] += images[high]
        total[high] += images[low]
        first: list[slice | int] = [slice(None)] * 3
        for first[axis] in (0, -1):
            total[tuple(first)] += images[tuple(first)]
        images = total / np.float32(3)
    return images


def cut(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of all cells but the last one of an axis, and of all but the first one."""
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, FINE_GRID_SIDE - 1), slice(1, None)
    return tuple(low), tuple(high)
