"""The Nyström approximation: the solution of the kernel head for many answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Floats, Ints, inverse_of_lower
from imgscore.heads.fold_solver import solve_without
from imgscore.heads.kernel_solver import (
    CONSTANT_VARIANCE,
    PAIR_SCALE,
    Inputs,
    Solution,
    rbf,
)
from imgscore.heads.preferences import Answers, Matrix, Sites, newton
from imgscore.heads.trait_curves import TraitCurves, curves_of_rows, trait_rows

JITTER = 1e-4
"""The number that is added to the diagonal of the kernel matrix of the landmarks (see
MAX_EXACT_LABELS in kernel_solver.py). Without it, the kernel would be ill-conditioned, because the
kernel is only float32."""
TRIANGLE_COLUMNS = 256
"""The number of columns of a triangular matrix that are multiplied at once. With 1,500 columns, 42
% of the products are then skipped, because the matrix is zero there."""


def solve_by_nystrom(
    inputs: Inputs, answers: Answers, folds: Ints, settings: Mapping[str, Any]
) -> Solution:
    """Solve one process for many answers, with similarity and trait kernel, without the graph.

    The landmarks are the nodes of `inputs`. The approximation is that of Williams and Seeger
    (2001). See kernel_solver.solve_exactly for the parameters.
    """
    trait_weight = 0.0 if inputs.traits is None else float(settings["trait_weight"])
    rows, root = _rows(inputs, settings["gamma"], trait_weight)
    labels, fold_count = len(answers.grades), int(folds.max()) + 1
    root_weight = np.sqrt(answers.label_weights)
    target = 2 * answers.grades - 1
    size = rows.shape[1]
    grams = np.empty((fold_count, size, size), np.float32)
    moments = np.empty((fold_count, size))
    for fold in range(fold_count):
        held = np.flatnonzero(folds[:labels] == fold)
        # numpy needs half of the time if a matrix is multiplied by its own transpose.
        weighted = rows[held] * root_weight[held, None].astype(np.float32)
        grams[fold] = weighted.T @ weighted
        moments[fold] = weighted.T @ (root_weight[held] * target[held])
    gram, moment = grams.sum(axis=0, dtype=np.float64), moments.sum(axis=0)
    ridge = settings["noise"] * np.eye(size)
    scale = settings.get("pair_scale", PAIR_SCALE)
    pairs = _Pairs(answers, rows, folds, settings["noise"], scale)
    pairs.find_sites(gram + ridge, moment)
    more, more_moment = pairs.sums(np.ones(len(pairs), bool))
    total, total_moment = gram + more + ridge, moment + more_moment
    held_grams, held_moments = [*grams], [*moments]
    for fold in range(fold_count if len(pairs) else 0):
        more, more_moment = pairs.sums(pairs.touch(fold))
        held_grams[fold] = (grams[fold] + more).astype(np.float32)
        held_moments[fold] = moments[fold] + more_moment
    coefficients = solve_without(total, total_moment, held_grams, np.array(held_moments))
    outputs = np.empty(len(folds))
    for fold in range(fold_count):
        held = np.flatnonzero(folds == fold)
        outputs[held] = rows[held] @ coefficients[:, 1 + fold].astype(np.float32)
    constant = np.sqrt(CONSTANT_VARIANCE) * coefficients[-1]
    near = root @ coefficients[: len(root)] * (1 + trait_weight) ** -0.5
    curves = None
    if inputs.scale is not None and trait_weight > 0:
        parts = coefficients[len(root) : -1] * (trait_weight / (1 + trait_weight)) ** 0.5
        curves = TraitCurves(inputs.scale, curves_of_rows(parts, len(inputs.scale.values)))
    return Solution(near, None, constant, outputs, curves)


def _rows(inputs: Inputs, gamma: float, trait_weight: float) -> tuple[Floats, Floats]:
    """Return a row [n, L + t + 1] for each image, and the map [L, L] from the kernel to the rows.

    The product of two rows approximates the covariance of the two images. t is 0 if the trait
    kernel has no weight.
    """
    nodes = inputs.nodes.astype(np.float32)
    landmark_kernel = rbf(nodes @ nodes.T, gamma).astype(np.float64)
    lower = np.linalg.cholesky(landmark_kernel + JITTER * np.eye(len(nodes)))
    root = inverse_of_lower(lower).T.astype(np.float32)
    share = np.float32((1 + trait_weight) ** -0.5)
    traits = np.empty((len(inputs.rows), 0), np.float32)
    if inputs.traits is not None and trait_weight > 0:
        traits = trait_rows(inputs.traits) * (np.float32(trait_weight**0.5) * share)
    rows = np.empty((len(inputs.rows), len(nodes) + traits.shape[1] + 1), np.float32)
    scaled = root * share
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        kernel = rbf(inputs.rows[block] @ nodes.T, gamma)
        # The map is upper triangular: a block of its columns has zeros below its last row.
        for first in range(0, len(nodes), TRIANGLE_COLUMNS):
            last = min(first + TRIANGLE_COLUMNS, len(nodes))
            rows[block, first:last] = kernel[:, :last] @ scaled[:last, first:last]
    rows[:, len(nodes) : -1] = traits
    rows[:, -1] = np.sqrt(CONSTANT_VARIANCE)
    return rows, root


class _Pairs:
    """The comparisons of a process, as weighted rows of a least-squares problem."""

    def __init__(
        self, answers: Answers, rows: Floats, folds: Ints, noise: float, pair_scale: float
    ) -> None:
        """`noise`: the noise variance of the process. `pair_scale`: see PAIR_SCALE."""
        self._rows = answers.observed(rows)[len(answers.grades) :]
        self._folds = folds[answers.comparisons[:, :2]]
        self._wins, self._noise = answers.wins, noise
        self._scale = pair_scale * noise**0.5
        self._sites = Sites(self._wins, self._wins)

    def __len__(self) -> int:
        return len(self._rows)

    def touch(self, fold: int) -> NDArray[np.bool_]:
        """Return for each comparison whether one of its images is in this fold."""
        return np.asarray((self._folds == fold).any(axis=1))

    def find_sites(self, gram: Matrix, moment: Matrix) -> None:
        """Compute the sites. `gram`, `moment`: the sums over the labels, with the ridge."""
        if not len(self):
            return
        everything = np.ones(len(self), bool)

        def mode(sites: Sites) -> Matrix:
            self._sites = sites
            more, more_moment = self.sums(everything)
            return np.asarray(self._rows @ np.linalg.solve(gram + more, moment + more_moment))

        self._sites = newton(self._wins, self._scale, mode)

    def sums(self, used: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
        """Return the sums over the comparisons `used`: of the products of rows, and of targets.

        A label has the weight 1. The weight of a comparison is the noise of a label, divided by the
        noise of its site.
        """
        rows = self._rows[used]
        weight = self._noise / self._sites.noise[used]
        weighted = rows * weight[:, None].astype(np.float32)
        return (weighted.T @ rows).astype(np.float64), weighted.T @ self._sites.targets[used]
