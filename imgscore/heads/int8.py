"""Quantise rows and columns to int8, for matrix products in integers.

With int8 instead of float32, log-odds change by hundredths (bench/LEARNING.md). Integer sums are
exact. The score of an image is therefore independent of the other images in its block and of the
number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import EPSILON, Floats

MAIN_DIRECTIONS = 96
"""The number of main directions along which the similarity is computed in float32. The values along
these directions are the largest, and int8 is less exact."""
MAX_ROW_CODE, MAX_PARAMETER_CODE = 127, 63
"""The largest int8 code of an image row, and the largest int8 code of a parameter. Parameters have
only 7 bits. With 8 bits, the sum of two products would saturate on CPUs without VNNI."""


def quantised_rows(rows: Floats) -> NDArray[np.uint8]:
    """Return rows float32 [n, w] as uint8 codes from 128 - MAX_ROW_CODE to 128 + MAX_ROW_CODE.

    Each row is scaled by its largest absolute value. The function overwrites `rows`.
    """
    size = np.maximum(np.maximum(rows.max(axis=1), -rows.min(axis=1)), EPSILON)
    rows *= (MAX_ROW_CODE / size)[:, None]
    rows += 128.5
    codes = np.empty(rows.shape, np.uint8)
    np.copyto(codes, rows, casting="unsafe")
    return codes


def quantised_columns(columns: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return columns float32 [w, c] as int8 codes, and the step between two codes.

    There is one step for each column, as float32 [c].
    """
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0), EPSILON) / MAX_PARAMETER_CODE
    return np.rint(columns / scale).astype(np.int8, order="C"), scale


def padded(values: Floats, axis: int) -> Floats:
    """Prepend zeros along `axis`, so that there are more than MAIN_DIRECTIONS directions."""
    missing = max(MAIN_DIRECTIONS + 1 - values.shape[axis], 0)
    return np.pad(values, [(missing, 0) if number == axis else (0, 0) for number in range(2)])
