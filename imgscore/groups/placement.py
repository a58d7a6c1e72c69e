"""Find the window of an image that agrees with another image, from a first place near to it.

A window is (left, top, width, height), in shares of the sides of its image.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
EVERYTHING = slice(None)

MAX_STEPS = 5
"""The largest number of corrections of a place. More of them change it by less than a cell."""
MAX_STEP = 0.08
"""The largest correction of a place in one step, as a share of the side of the part."""
MIN_START = 0.45
"""The smallest correlation of a place that is corrected: a first place that is wrong stays so."""
MIN_LENGTH = 0.15
"""The smallest side of a part: about 10 cells of a fine grid."""


def whole_windows(count: int) -> NDArray[np.float64]:
    """Return windows that are whole images, float64 [count, 4]."""
    return np.tile([0.0, 0.0, 1.0, 1.0], (count, 1))


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
        rows, other, windows, correlation = (
            rows[goes_on], other[goes_on], windows[goes_on], correlation[goes_on]
        )  # fmt: skip
        slopes = Slopes(means[goes_on], unit[goes_on])
        windows = moved(windows, slopes.moves(wanted[rows], correlation))
    return best, fit


class Slopes:
    """By how much each cell of pictures changes if their windows are moved or enlarged.

    `pictures`: float32 [p, side, side]. `units`: the results of `unit_of` for them.
    """

    def __init__(self, pictures: Floats, units: Floats) -> None:
        count, side, _ = pictures.shape
        middle = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
        cells = np.empty((count, 4, side, side), np.float32)
        _slope(pictures, cells[:, 0])
        _slope(pictures.transpose(0, 2, 1), cells[:, 1].transpose(0, 2, 1))
        np.multiply(cells[:, 0], middle, out=cells[:, 2])
        np.multiply(cells[:, 1], middle[:, None], out=cells[:, 3])
        self._cells: Floats = cells.reshape(count, 4, -1)
        rows = pictures.reshape(count, -1)
        deviation = np.einsum("pk,pk->p", rows, units)
        self._scale = (side / np.maximum(deviation, 1e-3))[:, None]
        sums = self._cells.sum(axis=2) / side
        # What is left of a slope without the brightness and the contrast of the picture.
        self._shares = np.einsum("pik,pk->pi", self._cells, units) * self._scale
        squared = np.matmul(self._cells, self._cells.transpose(0, 2, 1))
        squared -= sums[:, :, None] * sums[:, None, :]
        squared *= np.square(self._scale)[:, :, None]
        squared -= self._shares[:, :, None] * self._shares[:, None, :]
        damping = np.einsum("pii->p", squared)[:, None, None] * 2.5e-3 + 1e-6
        self._squared = squared + damping * np.eye(4, dtype=np.float32)

    def moves(
        self, wanted: Floats, correlation: Floats, pictures: Ints | slice = EVERYTHING
    ) -> Floats:
        """Return the moves after which the difference to `wanted` is smallest, float32 [p, 4].

        `wanted`: float32 [p, side²]. `correlation`: that of both, float32 [p]. `pictures`: which
        picture belongs to each row. The columns are the shifts and the enlargements.
        """
        wrong = np.einsum("pik,pk->pi", self._cells[pictures], wanted) * self._scale[pictures]
        wrong -= self._shares[pictures] * correlation[:, None]
        moves = np.linalg.solve(self._squared[pictures], wrong[..., None])[..., 0]
        return np.asarray(np.clip(moves, -MAX_STEP, MAX_STEP), np.float32)


def _slope(pictures: Floats, slopes: Floats) -> None:
    """Write the slopes along the last axis."""
    np.subtract(pictures[..., 2:], pictures[..., :-2], out=slopes[..., 1:-1])
    slopes[..., 1:-1] *= np.float32(0.5)
    np.subtract(pictures[..., 1], pictures[..., 0], out=slopes[..., 0])
    np.subtract(pictures[..., -1], pictures[..., -2], out=slopes[..., -1])


def moved(windows: NDArray[np.float64], moves: Floats) -> NDArray[np.float64]:
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
    area = np.maximum(windows[:, 2], 1e-3) * np.maximum(windows[:, 3], 1e-3)
    means *= (side**2 / (area * grids.shape[1] ** 2)).astype(np.float32)[:, None, None]
    return means


def _weights(
    start: NDArray[np.float64], length: NDArray[np.float64], side: int, cells: int
) -> Floats:
    """Return the share of each cell in the parts of a side of windows, float32 [p, side, cells]."""
    steps = np.arange(side + 1) / side
    before = shares_before(start[:, None] + np.maximum(length, 1e-3)[:, None] * steps, cells)
    return np.asarray(before[:, 1:] - before[:, :-1])


def shares_before(edges: NDArray[np.float64], cells: int) -> Floats:
    """Return the share of each cell that is before an edge, float32 [..., cells].

    `edges`: as shares of the side, from 0 to 1.
    """
    places = np.clip(edges, 0, 1).astype(np.float32) * np.float32(cells)
    at = np.minimum(places.astype(np.intp), cells - 1)
    before = np.take(_whole_cells(cells), at, axis=0)
    # Only one cell is cut by an edge.
    flat = before.reshape(-1, cells)
    flat[np.arange(len(flat)), at.ravel()] = (places - at).ravel()
    return before


@lru_cache(maxsize=2)
def _whole_cells(cells: int) -> Floats:
    """Return whether each cell is before each other one, as 0 or 1, float32 [cells, cells]."""
    return np.tri(cells, cells, -1, np.float32)


def unit_of(pictures: Floats) -> Floats:
    """Return pictures centred and of unit length, float32 [p, side²]."""
    rows: Floats = pictures.reshape(len(pictures), prod(pictures.shape[1:]))
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)
    return rows
