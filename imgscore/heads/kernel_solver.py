"""The Gaussian processes of the kernel head: their settings, and their solutions in closed form.

The solutions are averaged. A process with a smaller held-out loss has a larger weight. kernel.py
contains the head and its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints, inverse_of_lower
from imgscore.heads.base import Examples, Scores
from imgscore.heads.calibration import fit_platt, sigmoid
from imgscore.heads.features import Features
from imgscore.heads.graph import NEIGHBOURS, graph_kernel
from imgscore.heads.library import library_features
from imgscore.heads.sides import upper_side

GAMMA = 1.0
"""The factor gamma in the similarity exp(-gamma · |x - y|²) of two feature vectors. Values of 0.5
and 2 give worse results (bench/LEARNING.md)."""
GRAPH_NODES = ((100, 7500), (300, 4500))
"""Pairs (labels, nodes): for at most `labels` labels, the graph has at most `nodes` nodes. The
first pair that fits the number of labels is used. With fewer labels, the graph is more important,
and the other steps of the training need less time."""
MIN_GRAPH_NODES = 2000
"""The largest number of nodes of the graph if there are more labels than in the last pair of
GRAPH_NODES."""
SAME_IMAGE_COSINE = 0.9999
"""The smallest cosine at which an image of the library is treated as a copy of a labelled image."""
MAX_EXACT_LABELS = 1500
"""The largest number of labels for which all labelled images are landmarks and the graph is used. A
landmark is a labelled image with a coefficient in the head. If there are more labels, only
MAX_EXACT_LABELS images are landmarks, in a Nyström approximation without a graph."""
GRAPH_WEIGHTS = (0.0, 1.0, 8.0)
"""The weights of the graph kernel in the processes. The weight of the similarity is 1. The graph
weights are stored with a head as the setting "reaches"."""
PRIOR_ODDS = 1e-3
"""The prior odds of a graph weight against the next larger graph weight, for ten labels. With ten
labels, a larger graph weight is usually better, but so few held-out labels cannot show this. For n
labels, the odds are PRIOR_ODDS to the power of 10 / n."""
NOISES = (0.1, 1.0)
"""The noise variances of a label in the processes, in units of the target ±1 of keep and trash."""
MIN_NOISE = 1e-3
"""The smallest noise variance of a label. With a smaller variance, the covariance matrix would be
ill-conditioned, because the kernels are only float32."""
JITTER = 1e-4
"""The number that is added to the diagonal of the kernel matrix of the landmarks (see
MAX_EXACT_LABELS). Without it, the kernel would be ill-conditioned, because the kernel is only
float32."""
CONSTANT_VARIANCE = 9.0
"""The prior variance of the constant term, in units of the target ±1. Values of 3 and 30 give
equally good results."""

Matrix = NDArray[np.float64]


def rbf(cosine: Floats, gamma: float) -> Floats:
    """Return exp(-gamma · |x - y|²) of unit vectors x and y from their cosine.

    For unit vectors, |x - y|² = 2 - 2 cosine.
    """
    kernel: Floats = cosine - 1
    kernel *= 2 * gamma
    return np.asarray(np.exp(kernel, out=kernel))


class Solution(NamedTuple):
    """The coefficients of a head before calibration.

    `near` [L, 1 + folds], `far` [N, 1 + folds] or None, and `constant` [1 + folds]: see KernelHead.
    `held_out`: the held-out outputs [n] of the labels.
    """

    near: Matrix
    far: Matrix | None
    constant: Matrix
    held_out: Matrix


class Process(NamedTuple):
    """The solution of one Gaussian process.

    `similarity_share`: the share of the similarity in the kernel of the process. The rest is the
    share of the graph.
    `loss`: the total held-out log loss, in nats.
    `weights`: [n, 1 + folds], the weights of the labels. Column 0 was trained on all labels, and
    column 1 + i was trained without fold i.
    `held_out`: the held-out outputs [n] of the labels.
    """

    similarity_share: float
    loss: float
    weights: Matrix
    held_out: Matrix


@dataclass(frozen=True)
class Inputs:
    """The inputs of training that do not depend on any label.

    `rows`: float32 [n, r], the features of the labelled images.
    `nodes`: float16 [N, r], as in KernelHead.
    `far`: float32 [N, n], the graph kernel between each node and each labelled image, or None if
    there is no graph.
    """

    features: Features
    rows: Floats
    nodes: Half
    far: Floats | None

    @classmethod
    def of(cls, examples: Examples, graph: bool) -> Inputs:
        features = examples.features or library_features(examples)
        rows = features(examples.embeddings, examples.extras)
        generator = np.random.default_rng(0)
        if len(examples) > MAX_EXACT_LABELS:
            landmarks = np.sort(generator.permutation(len(examples))[:MAX_EXACT_LABELS])
            return cls(features, rows, rows[landmarks].astype(np.float16), None)
        size = next(
            (nodes for labels, nodes in GRAPH_NODES if len(examples) <= labels), MIN_GRAPH_NODES
        )
        sample = generator.permutation(len(examples.background))[: size - len(examples)]
        background = features(
            examples.background[sample],
            None
            if examples.extras is None or examples.background_extras is None
            else examples.background_extras[sample],
        )
        # The background may contain copies of labelled images. Remove these copies: in the graph,
        # each copy would be the nearest neighbour of the labelled image.
        background = background[(background @ rows.T).max(axis=1, initial=-1) < SAME_IMAGE_COSINE]
        # Round the nodes to float16, the type in which they are stored. A loaded head then has
        # exactly the nodes that were evaluated.
        nodes = np.concatenate([rows, background]).astype(np.float16)
        if not graph or len(nodes) <= 2 * NEIGHBOURS:
            return cls(features, rows, nodes[: len(rows)], None)
        return cls(features, rows, nodes, graph_kernel(nodes.astype(np.float32), len(rows)))


def solve(inputs: Inputs, grades: Floats, folds: Ints, settings: Mapping[str, Any]) -> Solution:
    """Solve the Gaussian processes, exactly or with the Nyström approximation.

    See MAX_EXACT_LABELS for the choice, and `_solve_exactly` for the parameters.
    """
    method = _solve_exactly if len(grades) <= MAX_EXACT_LABELS else _solve_by_nystrom
    return method(inputs, grades.astype(np.float64), folds, settings)


def _solve_exactly(
    inputs: Inputs, grades: Matrix, folds: Ints, settings: Mapping[str, Any]
) -> Solution:
    """Solve each process with all labels, and return the average of the processes.

    `grades`: float64 [n].

    Let A be the covariance of the labels in a process, and y the targets: 2 g - 1 for a label of
    grade g, which is ±1 for keep and trash.
    The weights of the process are w = A⁻¹y.
    Without fold F, the weights are w - A⁻¹[:, F] (A⁻¹[F, F])⁻¹ w[F].
    The held-out outputs of fold F are y[F] - (A⁻¹[F, F])⁻¹ w[F].
    These formulas are from Rasmussen and Williams (2006, 5.12), extended to blocks. A⁻¹ is computed
    as RᵀR, where R is the inverse of A's Cholesky factor.
    """
    count, fold_count = len(grades), int(folds.max()) + 1
    target = 2 * grades - 1
    noise_factor = 1 / _balanced_weights(grades)
    similarity = rbf(inputs.rows @ inputs.rows.T, settings["gamma"]).astype(np.float64)
    graph = None if inputs.far is None else inputs.far[:count].astype(np.float64)
    processes: list[Process] = []
    for graph_weight, noise in product(settings["reaches"], settings["noises"]):
        if graph is None and graph_weight > 0:
            continue
        share = 1 / (1 + graph_weight)
        kernel = (
            similarity
            if graph is None or graph_weight == 0
            else share * similarity + graph_weight * share * graph
        )
        noise_matrix = np.diag(np.maximum(noise * noise_factor, MIN_NOISE))
        root = inverse_of_lower(np.linalg.cholesky(kernel + CONSTANT_VARIANCE + noise_matrix))
        weights = root.T @ (root @ target)
        excesses = np.zeros((count, fold_count))
        outputs = np.empty(count)
        for fold in range(fold_count):
            held = np.flatnonzero(folds == fold)
            columns = root[:, held]
            excess = np.linalg.solve(columns.T @ columns, weights[held])
            outputs[held] = target[held] - excess
            excesses[:, fold] = columns @ excess
        fold_weights = np.column_stack([weights, weights[:, None] - root.T @ excesses])
        loss = _mean_log_loss(outputs, grades) * count
        processes.append(Process(share, loss, fold_weights, outputs))
    return _average(inputs, processes)


def _average(inputs: Inputs, processes: list[Process]) -> Solution:
    """Return the average of the processes, weighted by e^-loss · prior.

    This method is pseudo-Bayesian model averaging.
    """
    shares = np.array([process.similarity_share for process in processes])
    losses = np.array([process.loss for process in processes])
    labels = len(processes[0].held_out)
    rank = np.unique(-shares, return_inverse=True)[1]
    log_trust = -losses + 10 / labels * np.log(PRIOR_ODDS) * (rank.max() - rank)
    trust = np.exp(log_trust - log_trust.max())
    trust /= trust.sum()
    weights = np.stack([process.weights for process in processes])
    near = np.einsum("t,tij->ij", trust * shares, weights)
    total = np.einsum("t,tij->ij", trust, weights)
    outputs = trust @ np.stack([process.held_out for process in processes])
    far = None if inputs.far is None else inputs.far @ (total - near).astype(np.float32)
    return Solution(near, far, CONSTANT_VARIANCE * total.sum(axis=0), outputs)


def _solve_by_nystrom(
    inputs: Inputs, grades: Matrix, folds: Ints, settings: Mapping[str, Any]
) -> Solution:
    """Solve one process for many labels, with the similarity and without the graph.

    The solution uses MAX_EXACT_LABELS landmarks and the Nyström approximation (Williams and Seeger
    2001). The function tries all noises and uses the noise with the smallest held-out loss.
    """
    nodes = inputs.nodes.astype(np.float32)
    landmark_kernel = rbf(nodes @ nodes.T, settings["gamma"]).astype(np.float64)
    lower = np.linalg.cholesky(landmark_kernel + JITTER * np.eye(len(nodes)))
    root = inverse_of_lower(lower).T.astype(np.float32)
    size = root.shape[1] + 1
    fold_count = int(folds.max()) + 1
    balance = _balanced_weights(grades)
    target = 2 * grades - 1
    rows = np.empty((len(grades), size), np.float32)
    for start in range(0, len(grades), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        rows[block, :-1] = rbf(inputs.rows[block] @ nodes.T, settings["gamma"]) @ root
    rows[:, -1] = np.sqrt(CONSTANT_VARIANCE)
    grams = np.empty((fold_count, size, size), np.float32)
    moments = np.empty((fold_count, size))
    for fold in range(fold_count):
        held = folds == fold
        weighted = rows[held] * balance[held, None].astype(np.float32)
        grams[fold], moments[fold] = weighted.T @ rows[held], weighted.T @ target[held]
    gram, moment = grams.sum(axis=0, dtype=np.float64), moments.sum(axis=0)
    best: tuple[float, Matrix, Matrix] | None = None
    for noise in settings["noises"]:
        ridge = noise * np.eye(size)
        coefficients = np.stack(
            [np.linalg.solve(gram + ridge, moment)]
            + [
                np.linalg.solve(gram - grams[fold] + ridge, moment - moments[fold])
                for fold in range(fold_count)
            ],
            axis=1,
        )
        outputs = np.empty(len(grades))
        for fold in range(fold_count):
            held = folds == fold
            outputs[held] = rows[held] @ coefficients[:, 1 + fold].astype(np.float32)
        loss = _mean_log_loss(outputs, grades)
        if best is None or loss < best[0]:
            best = (loss, coefficients, outputs)
    assert best is not None
    _, coefficients, outputs = best
    constant = np.sqrt(CONSTANT_VARIANCE) * coefficients[-1]
    return Solution(root @ coefficients[:-1], None, constant, outputs)


def _balanced_weights(grades: Matrix) -> Matrix:
    """Return weights [n] with a mean of 1.

    The weights of the keep labels have the same sum as the weights of the trash labels. A label of
    grade g counts as g keep labels and 1 - g trash labels.
    """
    share = grades.mean()
    return np.asarray(grades * (0.5 / share) + (1 - grades) * (0.5 / (1 - share)))


def _mean_log_loss(outputs: Matrix, grades: Matrix) -> float:
    """Return the mean log loss of held-out outputs after calibration, in nats.

    The log loss of a label of grade g is g times the loss of keep plus 1 - g times that of trash.
    """
    slope, offset = fit_platt(outputs, grades)
    odds = slope * outputs + offset
    losses = grades * np.logaddexp(0, -odds) + (1 - grades) * np.logaddexp(0, odds)
    return float(losses.mean())


def calibrate(outputs: Matrix, grades: Floats, folds: Ints) -> tuple[float, float]:
    """Return the slope and the offset of fit_platt for held-out outputs.

    Outputs that tell nothing are left out: see `_informed`.
    """
    upper = upper_side(grades)
    return _fit(outputs, grades, upper, _informed(upper, folds))


def _fit(outputs: Matrix, grades: Floats, upper: Bools, used: Bools) -> tuple[float, float]:
    """Call fit_platt. If the used rows lack one side, return slope 1 and offset 0."""
    if upper[used].all() or not upper[used].any():
        return 1.0, 0.0
    return fit_platt(outputs[used], grades[used])


def _informed(upper: Bools, folds: Ints) -> Bools:
    """Return for each row whether the other folds contain labels of both sides (see sides.py).

    All labels of one side are in one fold if their images are near-duplicates, such as a burst. The
    held-out output of this fold comes from a head that has seen only the other side.
    """
    counts = np.stack([np.bincount(folds, side, folds.max() + 1) for side in (upper, ~upper)])
    return np.asarray((counts.sum(axis=1, keepdims=True) > counts).all(axis=0)[folds])


def calibrated_by_fold(outputs: Matrix, grades: Floats, folds: Ints) -> Scores:
    """Return the held-out scores. Each fold is calibrated with the labels of the other folds.

    If the other folds lack labels of one side, the score is 0.5.
    """
    score = np.full(len(outputs), 0.5, np.float32)
    upper = upper_side(grades)
    informed = _informed(upper, folds)
    for fold in np.unique(folds[informed]):
        held = folds == fold
        slope, offset = _fit(outputs, grades, upper, informed & ~held)
        score[held] = sigmoid(slope * outputs[held] + offset)
    return Scores(score, np.zeros_like(score))
