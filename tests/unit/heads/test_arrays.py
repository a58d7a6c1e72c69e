"""Row operations, and the inverse of a triangular matrix."""

import numpy as np
import pytest

from imgscore.heads.arrays import INVERTED_DIRECTLY as SIZE
from imgscore.heads.arrays import inverse_of_cholesky, inverse_of_lower, widen


@pytest.mark.parametrize("count", [1, 2, SIZE - 1, SIZE, 3 * SIZE + 5])
def test_inverse_of_lower_times_matrix_is_identity(count):
    values = np.random.default_rng(0).normal(size=(count, count))
    lower = np.linalg.cholesky(values @ values.T / count + np.eye(count))
    assert inverse_of_lower(lower) @ lower == pytest.approx(np.eye(count), abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, SIZE - 1, SIZE, 3 * SIZE + 5])
def test_inverse_of_cholesky_equals_the_inverse_of_the_factor(count):
    values = np.random.default_rng(0).normal(size=(count, count))
    matrix = values @ values.T / count + np.eye(count)
    expected = inverse_of_lower(np.linalg.cholesky(matrix))
    assert inverse_of_cholesky(matrix) == pytest.approx(expected, abs=1e-12)


def test_widen_all_finite_values_equal_numpys_cast():
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    values = values[np.isfinite(values)].reshape(2, -1)
    widened = np.empty(values.shape, np.float32)
    widen(values, widened)
    assert widened.tobytes() == values.astype(np.float32).tobytes()
