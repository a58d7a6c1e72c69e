"""Compare an image with parts of another image: crops, frames, and screenshots that show it.

Only the grids of the images are compared, 16 × 16 means of luma. The part is searched at several
sizes and positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imgscore.images.traits import GRID_SIDE

Floats = NDArray[np.float32]

SIDE = 8
"""The rows and columns of the means that are compared. A part has fewer cells of the grid than the
whole image: with 16, its details would be missing."""
COARSE = (0.11, (1.0, 0.9, 0.8, 0.7, 0.58, 0.46))
FINE = (0.05, (1.0, 0.95, 0.9, 0.84, 0.78, 0.72, 0.64, 0.56, 0.48, 0.4))
"""The parts that are tried first, and those that are tried if a coarse part is about equal: the
largest distance between two positions, as a share of the side, and the lengths, as shares of the
longest length that fits."""
MIN_COARSE = 0.75
"""The smallest correlation of a coarse part after which the fine parts are tried. Of the cropped
images that were measured, 1 % have less."""
MIN_SHARE = 0.25
"""The smallest length of a part, as a share of the side: 4 cells of the grid."""
MIN_DEVIATION = 4.0
"""The smallest standard deviation of the luma of a part, in levels from 0 to 255."""
ASPECT_STEP = 0.03
"""The step to which the natural logarithm of the quotient of two aspect ratios is rounded, so that
many pairs are compared at once. It is half of the smallest step of the lengths."""
BATCH = 512
"""The number of pairs that are compared at once. Their parts use 40 MB."""


def best_alignments(
    grids: Floats, aspects: NDArray[np.float64], whole: NDArray[np.int64], other: NDArray[np.int64]
) -> Floats:
    """Return the highest correlation of each whole image with a part of the other one, float32 [p].

    `grids`: float32 [n, 256], the luma of the grids from 0 to 255. `aspects`: float64 [n], the
    width / height. `whole`, `other`: int64 [p], the rows of the pairs.
    """
    found = np.full(len(whole), -1, np.float32)
    quotient = np.log(aspects[other] / aspects[whole])
    rounded = np.round(quotient / ASPECT_STEP).astype(np.int64)
    order = np.argsort(rounded, kind="stable")
    starts = np.flatnonzero(np.diff(rounded[order], prepend=rounded[order][:1] - 1))
    small = _reduced(grids)
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        for first in range(start, stop, BATCH):
            pairs = order[first : min(first + BATCH, stop)]
            step = int(rounded[pairs[0]])
            found[pairs] = _compared(small[whole[pairs]], grids[other[pairs]], step)
    return found


def _compared(wholes: Floats, others: Floats, step: int) -> Floats:
    """Return the highest correlations of `wholes` [p, 64] with parts of `others` [p, 256]."""
    best = _best(wholes, others, step, COARSE)
    promising = np.flatnonzero(best >= MIN_COARSE)
    if len(promising):
        fine = _best(wholes[promising], others[promising], step, FINE)
        best[promising] = np.maximum(best[promising], fine)
    return best


def _best(
    wholes: Floats, others: Floats, step: int, tried: tuple[float, tuple[float, ...]]
) -> Floats:
    best = np.full(len(wholes), -1, np.float32)
    squares = others.reshape(-1, GRID_SIDE, GRID_SIDE)
    for down, right in _parts(step, tried):
        rows = np.tensordot(squares, down, axes=(1, 2))  # [p, x, y, i]
        parts = np.tensordot(rows, right, axes=(1, 2))  # [p, y, i, x, k]
        positions = len(down) * len(right)
        parts = parts.transpose(0, 1, 3, 2, 4).reshape(len(wholes), positions, SIDE * SIDE)
        # `wholes` are centred, so the mean of a part has no effect on the product.
        product = np.matmul(parts, wholes[:, :, None])[..., 0]
        mean = parts.mean(axis=2)
        squared = np.einsum("pwk,pwk->pw", parts, parts) - SIDE * SIDE * mean * mean
        length = np.sqrt(np.maximum(squared, (MIN_DEVIATION * SIDE) ** 2))
        np.maximum(best, (product / length).max(axis=1), out=best)
    return best


def _reduced(grids: Floats) -> Floats:
    """Return the grids as SIDE × SIDE means, centred and of unit length, float32 [n, 64].

    The row of a grid with a small deviation is zero.
    """
    half = GRID_SIDE // SIDE
    means = grids.reshape(-1, SIDE, half, SIDE, half).mean(axis=(2, 4)).reshape(-1, SIDE * SIDE)
    means = means - means.mean(axis=1, keepdims=True)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    clear = length >= MIN_DEVIATION * SIDE
    return np.asarray(np.where(clear, means / np.maximum(length, 1e-6), 0), np.float32)


@lru_cache(maxsize=256)
def _parts(step: int, tried: tuple[float, tuple[float, ...]]) -> list[tuple[Floats, Floats]]:
    """Return the parts that are tried, as matrices [positions, SIDE, GRID_SIDE] of both axes.

    `step`: the rounded logarithm of the quotient of the aspect ratios, in steps of ASPECT_STEP.
    `tried`: COARSE or FINE.
    """
    distance, shares = tried
    return [
        (np.stack(list(_windows(height, distance))), np.stack(list(_windows(width, distance))))
        for share in shares
        for width, height in [_lengths(share, float(np.exp(step * ASPECT_STEP)))]
        if min(width, height) >= MIN_SHARE
    ]


def _lengths(share: float, quotient: float) -> tuple[float, float]:
    """Return the width and height of a part, as shares of the sides of the other image."""
    return (share / quotient, share) if quotient >= 1 else (share, share * quotient)


def _windows(length: float, distance: float) -> Iterator[Floats]:
    """Yield a matrix [SIDE, GRID_SIDE] of weights for each position of a part of this length."""
    count = int(np.ceil((1 - length) / distance - 1e-9)) + 1
    for start in np.linspace(0, 1 - length, count):
        edges = (start + length * np.arange(SIDE + 1) / SIDE) * GRID_SIDE
        cells = np.arange(GRID_SIDE)
        overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        weights = np.clip(overlap, 0, None)
        yield np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
