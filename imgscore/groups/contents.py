"""Find the contents of framed images: the picture in a frame, or between the bars of a screen.

The fine grids are used, 64 × 64 means of luma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.placement import MIN_START, means_of, unit_of, whole_windows
from imgscore.groups.verification import BATCH, FIT_SIDE, FineGrids
from imgscore.images.traits import FINE_GRID_SIDE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FLAT_RANGE = 16
"""The largest range of luma in a row or column of a frame, in levels: the noise of JPEG."""
MAX_CONTENT = 0.92
"""The largest area of the content of an image that is framed."""


class Contents:
    """The contents of images without their frames, for the rows `rows` of a library.

    `fine`: the function that returns fine grids. `known`: whether the fine grid is known, bool [n].
    `windows`: the results of `contents`, float64 [n, 4]. The other fields are private.
    """

    def __init__(self, rows: Ints, fine: FineGrids) -> None:
        self.known = np.zeros(len(rows), np.bool_)
        self.windows = whole_windows(len(rows))
        self._place = np.full(len(rows), -1, np.int64)
        units = [np.empty((0, FIT_SIDE**2), np.float16)]
        count = 0
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            grids, known = fine(rows[part])
            windows = contents(grids)
            framed = np.flatnonzero(known & (windows[:, 2] * windows[:, 3] <= MAX_CONTENT))
            means = means_of(grids[framed].astype(np.float32), windows[framed], FIT_SIDE)
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


def contents(fine: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the window of each fine grid [n, 64, 64] without its frame or bars, float64 [n, 4].

    It is the largest run of rows, and then of columns, that are not of one tone.
    """
    count = len(fine)
    windows = whole_windows(count)
    # Most images have no frame: no row and no column is of one tone.
    tones = np.minimum(
        np.ptp(fine, axis=2).min(axis=1, initial=255), np.ptp(fine, axis=1).min(axis=1, initial=255)
    )
    framed = np.flatnonzero(tones <= FLAT_RANGE)
    windows[framed] = _framed_contents(fine[framed])
    return windows


def _framed_contents(fine: NDArray[np.uint8]) -> NDArray[np.float64]:
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
