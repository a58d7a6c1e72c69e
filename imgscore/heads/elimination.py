"""The inverse of a positive definite matrix, of which only some columns are needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imgscore.heads.arrays import Floats, inverse_of_cholesky


class Elimination(NamedTuple):
    """Parts of the inverse of a positive definite matrix M [N, N], float32.

    M has two blocks: the first c rows and columns, and the others.

    `columns`: [N, c], the first c columns of M⁻¹. `diagonal`: [N], the diagonal of M⁻¹.
    `root`: the inverse of the lower Cholesky factor of the second block. `product`: the inverse of
    the second block, times the block of M to its left.
    """

    columns: Floats
    diagonal: Floats
    root: Floats
    product: Floats

    def solve(self, right_side: Floats) -> Floats:
        """Return M⁻¹ · `right_side` for columns float32 [N, k]."""
        count = self.columns.shape[1]
        first, second = right_side[:count], right_side[count:]
        first = self.columns[:count] @ (first - self.product.T @ second)
        second = self.root.T @ (self.root @ second) - self.product @ first
        return np.concatenate([first, second])


def eliminate(matrix: Floats, columns: int) -> Elimination:
    """Return the first `columns` columns and the diagonal of the inverse of `matrix`.

    The method is block-wise inversion. The second block is inverted by Cholesky's method. This
    takes a third of the time of a general inversion, because only the factor is inverted.
    """
    off_diagonal = matrix[:columns, columns:]
    root = inverse_of_cholesky(matrix[columns:, columns:])
    product = root.T @ (root @ off_diagonal.T)
    upper = np.linalg.inv(matrix[:columns, :columns] - off_diagonal @ product)
    lower = -product @ upper
    lower_diagonal = np.einsum("ij,ij->j", root, root) - np.einsum("ij,ij->i", lower, product)
    return Elimination(
        np.concatenate([upper, lower]),
        np.concatenate([np.diag(upper), lower_diagonal]),
        root,
        product,
    )
