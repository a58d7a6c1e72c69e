"""The inverse of a positive definite matrix by blocks."""

import numpy as np
import pytest

from imgscore.heads.elimination import eliminate


@pytest.mark.parametrize("columns", [1, 7, 150, 299])
def test_eliminate_equals_the_inverse(columns: int) -> None:
    rows = np.random.default_rng(columns).standard_normal((300, 40))
    matrix = rows @ rows.T / 40 + np.eye(300)
    found = eliminate(matrix.astype(np.float32), columns)
    inverse = np.linalg.inv(matrix)
    assert found.columns == pytest.approx(inverse[:, :columns], abs=1e-5)
    assert found.diagonal == pytest.approx(np.diag(inverse), abs=1e-5)
    right_side = np.random.default_rng(0).standard_normal((300, 2))
    solution = found.solve(right_side.astype(np.float32))
    assert solution == pytest.approx(inverse @ right_side, abs=1e-4)
