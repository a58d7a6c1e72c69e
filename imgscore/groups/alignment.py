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

from imgscore.images.traits import GRID_SIDE

Floats = NDArray[np.float32]


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
"""The steps: most pairs of different images are sorted out by the first one, which takes a tenth of
the time. Finer means than 8 × 8 would have details that a part of a grid has not."""
MIN_SHARE = 0.25
"""The smallest length of a part, as a share of the side: 4 cells of the grid."""
MIN_DEVIATION = 4.0
"""The smallest standard deviation of the luma of a part, in levels from 0 to 255."""
ASPECT_STEP = 0.03
"""The step to which the natural logarithm of the quotient of two aspect ratios is rounded, so that
many pairs are compared at once. It is half of the smallest step of the lengths."""
BATCH = 512
"""The number of pairs that are compared at once. Their parts use 40 MB."""


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
    windows = np.tile([0.0, 0.0, 1.0, 1.0], (len(whole), 1))
    if not len(whole):
        return Alignments(found, windows)
    quotient = np.log(aspects[other] / aspects[whole])
    rounded = np.round(quotient / ASPECT_STEP).astype(np.int64)
    order = np.argsort(rounded, kind="stable")
    starts = np.flatnonzero(np.diff(rounded[order], prepend=rounded[order][:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        for first in range(start, stop, BATCH):
            pairs = order[first : min(first + BATCH, stop)]
            step = int(rounded[pairs[0]])
            found[pairs], windows[pairs] = _compared(grids[whole[pairs]], grids[other[pairs]], step)
    return Alignments(found, windows)


def _compared(wholes: Floats, others: Floats, step: int) -> tuple[Floats, NDArray[np.float64]]:
    """Return the highest correlations of `wholes` [p, 256] with parts of `others`, and the windows.

    If a step finds too little, its result is halved, so that no limit is reached.
    """
    best = np.full(len(wholes), -1, np.float32)
    windows = np.tile([0.0, 0.0, 1.0, 1.0], (len(wholes), 1))
    left = np.arange(len(wholes))
    for trial in TRIALS:
        found, part = _best(_reduced(wholes[left], trial.side), others[left], step, trial)
        enough = found >= trial.enough
        best[left] = found if trial is TRIALS[-1] else found / 2
        if trial is TRIALS[-1]:
            known = np.flatnonzero(part >= 0)
            windows[left[known]] = _windows_of(step, trial)[part[known]]
            break
        left = left[enough]
        if not len(left):
            break
    return best, windows


def _best(
    wholes: Floats, others: Floats, step: int, trial: Trial
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the highest correlations, and the numbers of the parts; -1: there is no part."""
    best = np.full(len(wholes), -1, np.float32)
    chosen = np.full(len(wholes), -1, np.int64)
    first, size = 0, trial.side**2
    for parts in _all_parts(others, step, trial):
        # `wholes` are centred, so the mean of a part has no effect on the product.
        product = np.matmul(parts, wholes[:, :, None])[..., 0]
        mean = parts.mean(axis=2)
        squared = np.einsum("pwk,pwk->pw", parts, parts) - size * mean * mean
        length = np.sqrt(np.maximum(squared, (MIN_DEVIATION * trial.side) ** 2))
        correlation = product / length
        highest = correlation.argmax(axis=1)
        value = correlation[np.arange(len(wholes)), highest]
        better = value > best
        best[better], chosen[better] = value[better], first + highest[better]
        first += parts.shape[1]
    return best, chosen


def _all_parts(others: Floats, step: int, trial: Trial) -> Iterator[Floats]:
    """Yield the means of all parts that are tried, in arrays [p, positions, side²]."""
    if trial is TRIALS[0]:
        # One large product takes a tenth of the time of many small ones.
        matrix = _first_matrix(step)
        if len(matrix):
            yield (others @ matrix.T).reshape(len(others), -1, trial.side**2)
        return
    squares = others.reshape(-1, GRID_SIDE, GRID_SIDE)
    for down, right in _parts(step, trial):
        rows = np.tensordot(squares, down, axes=(1, 2))  # [p, x, y, i]
        parts = np.tensordot(rows, right, axes=(1, 2))  # [p, y, i, x, k]
        yield parts.transpose(0, 1, 3, 2, 4).reshape(len(others), -1, trial.side**2)


@lru_cache(maxsize=64)
def _first_matrix(step: int) -> Floats:
    """Return the weights of all parts of the first trial, float32 [positions · side², 256]."""
    found = [
        np.kron(down[y], right[x])
        for down, right in _parts(step, TRIALS[0])
        for y in range(len(down))
        for x in range(len(right))
    ]
    return np.concatenate(found) if found else np.empty((0, GRID_SIDE**2), np.float32)


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


@lru_cache(maxsize=256)
def _parts(step: int, trial: Trial) -> list[tuple[Floats, Floats]]:
    """Return the parts of a trial, as matrices [positions, side, GRID_SIDE] of both axes.

    `step`: the rounded logarithm of the quotient of the aspect ratios, in steps of ASPECT_STEP.
    """
    return [
        (np.stack(list(_windows(height, trial))), np.stack(list(_windows(width, trial))))
        for share in trial.shares
        for width, height in [_lengths(share, float(np.exp(step * ASPECT_STEP)))]
        if min(width, height) >= MIN_SHARE
    ]


@lru_cache(maxsize=256)
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


def _windows(length: float, trial: Trial) -> Iterator[Floats]:
    """Yield a matrix [side, GRID_SIDE] of weights for each position of a part of this length."""
    for start in _starts(length, trial):
        edges = (start + length * np.arange(trial.side + 1) / trial.side) * GRID_SIDE
        cells = np.arange(GRID_SIDE)
        overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        weights = np.clip(overlap, 0, None)
        yield np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
