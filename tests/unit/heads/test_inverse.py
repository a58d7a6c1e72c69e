"""Inverses by products."""

import numpy as np
import pytest

from imgscore.heads.inverse import SMALL, inverse_of_lower


@pytest.mark.parametrize("count", [1, 2, SMALL - 1, SMALL, 3 * SMALL + 5])
def test_it_is_the_inverse(count):
    values = np.random.default_rng(0).normal(size=(count, count))
    lower = np.linalg.cholesky(values @ values.T / count + np.eye(count))
    assert inverse_of_lower(lower) @ lower == pytest.approx(np.eye(count), abs=1e-12)
