"""Solve a system of equations many times: with all rows, and without the rows of each fold.

The system of a fold differs from the whole system by a tenth of its rows. The inverse of the whole
system is therefore a good preconditioner for it, and a few steps of the conjugate gradient method
(Hestenes and Stiefel 1952) take the place of a factorization for each fold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats, inverse_of_lower

TOLERANCE = 1e-5
"""The length of the residual at which the iteration ends, as a share of that of the right side. The
solutions then differ by about 1e-4 of their length from exact ones."""
MAX_STEPS = 60
"""The number of steps after which a system is solved by elimination instead. Usually, 20 to 30
steps are enough. More are needed if one fold contains nearly all images of a kind."""

Matrix = NDArray[np.float64]


def solve_without(
    total: Matrix, moment: Matrix, held: Sequence[Floats], held_moments: Matrix
) -> Matrix:
    """Return the solutions [n, 1 + folds] of `total` · x = `moment`, and of each fold's system.

    `total`: [n, n], positive definite. `moment`: [n].
    `held`: for each fold, a part [n, n] of the matrix. `held_moments`: [folds, n], for each fold, a
    part of the right side. Column 1 + i solves (`total` - held[i]) x = `moment` - held_moments[i].
    """
    root = inverse_of_lower(np.linalg.cholesky(total).astype(np.float32))
    right = np.column_stack([moment, moment[:, None] - held_moments.T])
    limit = TOLERANCE * np.linalg.norm(right, axis=0)

    def precondition(vectors: Matrix) -> Matrix:
        return (root.T @ (root @ vectors.astype(np.float32))).astype(np.float64)

    def times(vectors: Matrix) -> Matrix:
        product = total @ vectors
        for fold, part in enumerate(held, start=1):
            product[:, fold] -= part @ vectors[:, fold].astype(np.float32)
        return np.asarray(product)

    found = precondition(right)
    residual = right - times(found)
    direction = better = precondition(residual)
    length = np.einsum("ij,ij->j", residual, better)
    for _ in range(MAX_STEPS):
        active = np.linalg.norm(residual, axis=0) > limit
        if not active.any():
            break
        product = times(direction)
        curvature = np.einsum("ij,ij->j", direction, product)
        step = np.divide(length, curvature, out=np.zeros_like(length), where=active)
        found += step * direction
        residual -= step * product
        better = precondition(residual)
        before, length = length, np.einsum("ij,ij->j", residual, better)
        factor = np.divide(length, before, out=np.zeros_like(length), where=active)
        direction = better + factor * direction
    for column in np.flatnonzero(np.linalg.norm(residual, axis=0) > limit).tolist():
        matrix = total if column == 0 else total - held[column - 1]
        found[:, column] = np.linalg.solve(matrix, right[:, column])
    return found
