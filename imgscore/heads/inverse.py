"""The inverse of a triangular matrix by products, which cost less than LAPACK's elimination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 128
"""Rows up to which elimination is as fast."""


def inverse_of_lower(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Inverse of a lower triangular matrix [n, n], by halves."""
    half = len(matrix) // 2
    if half < SMALL // 2:
        return np.asarray(np.linalg.inv(matrix), np.float64)
    found = np.zeros(matrix.shape)
    found[:half, :half] = inverse_of_lower(matrix[:half, :half])
    found[half:, half:] = inverse_of_lower(matrix[half:, half:])
    found[half:, :half] = -found[half:, half:] @ matrix[half:, :half] @ found[:half, :half]
    return found
