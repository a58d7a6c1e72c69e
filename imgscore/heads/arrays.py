"""The array types that all heads use, and functions for rows and matrices.

This module imports no other module of imgscore.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)

Half = NDArray[np.float16]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

BLOCK_ROWS = 256
"""The number of image rows that a head computes at once. 256 float32 rows of 2,528 columns take 2.5
MB, which is small enough for the CPU's cache."""
EPSILON = 1e-6
"""The smallest length, deviation or scale that is used as a divisor. Smaller values are rounding
errors."""
INVERTED_DIRECTLY = 128
"""The smallest number of rows for which `inverse_of_lower` splits a matrix into halves. For a
smaller matrix, LAPACK alone is at least as fast."""


def widen(half: Half, out: Floats) -> None:
    """Convert finite float16 values to float32 in `out`, six times as fast as numpy's cast.

    Shifting the bits moves the sign, exponent and mantissa to their places in a float32. The two
    formats have different exponent biases (15 and 127). A multiplication by 2¹¹² (112 = 127 - 15)
    corrects the values.
    """
    bits = np.left_shift(half.view(np.int16), 13, dtype=np.int32)
    # The shift has copied the sign bit into bits 28 to 30. Clear these copies.
    bits &= np.int32(-0x70002000)
    np.multiply(bits.view(np.float32), np.float32(2.0**112), out=out)


def unit(rows: Floats, squared_length: float = 1.0) -> Floats:
    """Scale each row of `rows` float32 [n, w] in place, and return `rows`.

    Each row then has the squared length `squared_length`. A row of zeros stays zero.
    """
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows *= (squared_length**0.5 / np.maximum(length, EPSILON))[:, None]
    return rows


def inverse_of_lower(matrix: NDArray[Real]) -> NDArray[Real]:
    """Return the inverse of a lower triangular matrix [n, n].

    The function splits the matrix into halves and calls itself for each half. Most of the inverse
    is then computed by matrix products, which are faster than LAPACK's elimination.
    """
    half = len(matrix) // 2
    if half < INVERTED_DIRECTLY // 2:
        return np.asarray(np.linalg.inv(matrix), matrix.dtype)
    inverse = np.zeros_like(matrix)
    inverse[:half, :half] = inverse_of_lower(matrix[:half, :half])
    inverse[half:, half:] = inverse_of_lower(matrix[half:, half:])
    inverse[half:, :half] = -inverse[half:, half:] @ matrix[half:, :half] @ inverse[:half, :half]
    return inverse


def inverse_of_cholesky(matrix: NDArray[Real]) -> NDArray[Real]:
    """Return the inverse of the lower Cholesky factor of a positive definite matrix [n, n].

    The function splits the matrix into halves, as `inverse_of_lower` does. The factor itself is
    never in memory, and LAPACK, which needs two more copies, gets only small matrices.
    """
    half = len(matrix) // 2
    if half < INVERTED_DIRECTLY // 2:
        return inverse_of_lower(np.asarray(np.linalg.cholesky(matrix), matrix.dtype))
    inverse = np.zeros_like(matrix)
    inverse[:half, :half] = first = inverse_of_cholesky(matrix[:half, :half])
    side = matrix[half:, :half] @ first.T
    inverse[half:, half:] = second = inverse_of_cholesky(matrix[half:, half:] - side @ side.T)
    inverse[half:, :half] = -(second @ side) @ first
    return inverse
