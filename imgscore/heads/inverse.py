"""The inverse of a triangular matrix by products, which cost less than LAPACK's elimination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

SMALL = 128
"""Rows up to which elimination is as fast."""


def inverse_of_lower(matrix: Matrix) -> Matrix:
    """Inverse of a lower triangular float64 [n, n], by halves."""
    half = len(matrix) // 2
    if half < SMALL // 2:
        return np.asarray(np.linalg.inv(matrix))
    found = np.zeros_like(matrix)
    found[:half, :half] = inverse_of_lower(matrix[:half, :half])
    found[half:, half:] = inverse_of_lower(matrix[half:, half:])
    found[half:, :half] = -found[half:, half:] @ matrix[half:, :half] @ found[:half, :half]
    return found
