"""Find the window of an image that agrees with another image, from a first place near to it.

A window is (left, top, width, height), in shares of the sides of its image.
"""

from __future__ import annotations

from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_STEPS = 5
"""The largest number of corrections of a place. More of them change it by less than a cell."""
MAX_STEP = 0.08
"""The largest correction of a place in one step, as a share of the side of the part."""
MIN_START = 0.45
"""The smallest correlation of a place that is corrected: a first place that is wrong stays so."""
MIN_LENGTH = 0.15
"""The smallest side of a part: about 10 cells of a fine grid."""


def placed(
    wanted: Floats, other: Floats, starts: NDArray[np.float64], max_steps: int = MAX_STEPS
) -> tuple[NDArray[np.float64], Floats]:
    """Return the windows near `starts` that fit best, float64 [p, 4], and their correlations.

    `wanted`: the means of the whole images, centred and of unit length, float32 [p, side²].
    `other`: the grids of the other images, float32 [p, cells, cells].

    Each step solves for the shift and the scale at which the difference is smallest (Lucas and
    Kanade).
    """
    side = isqrt(wanted.shape[1])
    middle = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    best, fit = starts.copy(), np.full(len(starts), -1, np.float32)
    windows = _inside(starts)
    rows = np.arange(len(starts))
    for step in range(max_steps + 1):
        means = means_of(other, windows, side)
        unit = unit_of(means)
        correlation = np.einsum("pk,pk->p", wanted[rows], unit)
        better = correlation > fit[rows]
        gain = correlation - fit[rows]
        best[rows[better]], fit[rows[better]] = windows[better], correlation[better]
        # A place that no longer improves is found, and a first place that is wrong stays wrong.
        goes_on = (gain >= 0.002) & (correlation >= MIN_START)
        if step == max_steps or not goes_on.any():
            break
        rows, other, windows, means, unit = (
            values[goes_on] for values in (rows, other, windows, means, unit)
        )
        down, right = np.gradient(means, axis=(1, 2))
        slopes = np.stack(
            [right, down, right * middle, down * middle[:, None]], axis=1
        ).reshape(len(rows), 4, -1) * side  # fmt: skip
        slopes -= slopes.mean(axis=2, keepdims=True)
        centred = (means - means.mean(axis=(1, 2), keepdims=True)).reshape(len(rows), -1)
        slopes /= np.maximum(np.linalg.norm(centred, axis=1), 1e-3)[:, None, None]
        slopes -= np.einsum("pik,pk->pi", slopes, unit)[:, :, None] * unit[:, None, :]
        squared = np.einsum("pik,pjk->pij", slopes, slopes)
        damping = np.einsum("pii->p", squared)[:, None, None] * 2.5e-3 + 1e-6
        squared += damping * np.eye(4, dtype=np.float32)
        wrong = np.einsum("pik,pk->pi", slopes, wanted[rows] - unit)
        moves = np.clip(np.linalg.solve(squared, wrong[..., None])[..., 0], -MAX_STEP, MAX_STEP)
        windows = _moved(windows, moves)
    return best, fit


def _moved(windows: NDArray[np.float64], moves: Floats) -> NDArray[np.float64]:
    """Return windows that are shifted by moves[:, :2] and enlarged by moves[:, 2:]."""
    sides = windows[:, 2:] * (1 + moves[:, 2:])
    corner = windows[:, :2] + windows[:, 2:] / 2 + windows[:, 2:] * moves[:, :2] - sides / 2
    return _inside(np.concatenate([corner, sides], axis=1))


def _inside(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.clip(windows[:, 2:], MIN_LENGTH, 1.0)
    return np.concatenate([np.clip(windows[:, :2], 0, 1 - sides), sides], axis=1)


def means_of(grids: Floats, windows: NDArray[np.float64], side: int) -> Floats:
    """Return the means of side × side parts of windows, float32 [p, side, side].

    `grids`: means of luma, float32 [p, cells, cells], one grid for each window.
    """
    down, right = (
        _weights(windows[:, axis], windows[:, axis + 2], side, grids.shape[1]) for axis in (1, 0)
    )
    means: Floats = np.matmul(np.matmul(down, grids), right.transpose(0, 2, 1))
    return means


def _weights(
    start: NDArray[np.float64], length: NDArray[np.float64], side: int, cells: int
) -> Floats:
    """Return the weights of cells in the parts of a side of windows, float32 [p, side, cells]."""
    length = np.maximum(length, 1e-3)
    steps = np.arange(side + 1) / side
    edges = ((start[:, None] + length[:, None] * steps) * cells).astype(np.float32)
    # The share of each cell that is before each edge.
    before = np.clip(edges[:, :, None] - np.arange(cells, dtype=np.float32), 0, 1)
    weights: Floats = np.diff(before, axis=1)
    weights *= (side / (length * cells)).astype(np.float32)[:, None, None]
    return weights


def unit_of(pictures: Floats) -> Floats:
    """Return pictures centred and of unit length, float32 [p, side²]."""
    rows: Floats = pictures.reshape(len(pictures), prod(pictures.shape[1:]))
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)
    return rows
