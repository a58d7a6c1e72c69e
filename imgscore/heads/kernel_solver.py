"""The Gaussian processes of the kernel head: their settings, and their solutions in closed form.

The solutions are averaged. A process with a smaller held-out loss has a larger weight. kernel.py
contains the head and its recipe, and nystrom.py contains the solution for many answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import Floats, Half, Ints, inverse_of_lower
from imgscore.heads.base import Examples
from imgscore.heads.features import Features
from imgscore.heads.held_out import loss_of
from imgscore.heads.library import library_features
from imgscore.heads.library_nodes import LibraryNodes
from imgscore.heads.preferences import Answers, sites_of
from imgscore.heads.trait_curves import TraitCurves, TraitScale, curves_of, trait_kernel

GAMMA = 1.0
"""The factor gamma in the similarity exp(-gamma · |x - y|²) of two feature vectors. Values of 0.5
and 2 give worse results (bench/LEARNING.md)."""
GRAPH_NODES = ((100, 7500), (300, 4500), (600, 2000), (1500, 1000))
"""Pairs (labels, nodes): for at most `labels` labels, at most `nodes` images of the library are
nodes of the graph. Labelled images that are not among them are further nodes. The first pair that
fits the number of labels is used. With fewer labels, the graph is more important, and the other
steps of the training need less time. There are few numbers of nodes, so that trainings can share
the graphs."""
MAX_EXACT_LABELS = 1500
"""The largest number of labels for which all labelled images are landmarks and the graph is used. A
landmark is a labelled image with a coefficient in the head. If there are more labels, only
MAX_EXACT_LABELS images are landmarks, in a Nyström approximation without a graph. The number is
also the largest number of labelled and compared images, and of labels and comparisons."""
GRAPH_WEIGHTS = (0.0, 8.0)
"""The weights of the graph kernel in the processes. The weight of the similarity is 1. The graph
weights are stored with a head as the setting "reaches"."""
PRIOR_ODDS = 0.1
"""The prior odds of a graph weight against the next larger graph weight, for ten labels. With ten
labels, the graph is usually better, but so few held-out labels cannot show this. For n labels, the
odds are PRIOR_ODDS to the power of 10 / n."""
TRAIT_WEIGHTS = (0.0, 1.0)
"""The weights of the trait kernel (see trait_curves.py) in the processes. The weight of the
similarity is 1. The trait weights are stored with a head as the setting "curves"."""
NOISES = (0.1, 1.0)
"""The noise variances of a label in the processes, in units of the target ±1 of keep and trash."""
PAIR_SCALE = 1.0
"""The scale of a comparison (see preferences.py) in a process of noise variance 1, in units of the
target. In a process of noise v, the scale is the square root of v times this number. Values of 0.5
and 2 give equally good results (bench/LEARNING.md)."""
MIN_NOISE = 1e-3
"""The smallest noise variance of a label. With a smaller variance, the covariance matrix would be
ill-conditioned, because the kernels are only float32."""
CONSTANT_VARIANCE = 9.0
"""The prior variance of the constant term, in units of the target ±1. Values of 3 and 30 give
equally good results."""

NO_COMPARISONS: Ints = np.empty((0, 3), np.int64)
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

    `near` [L, 1 + folds], `far` [N, 1 + folds] or None, `constant` [1 + folds], and `curves` or
    None: see KernelHead.
    `held_out`: the held-out outputs [n] of the labelled and of the compared images.
    """

    near: Matrix
    far: Matrix | None
    constant: Matrix
    held_out: Matrix
    curves: TraitCurves | None


class Process(NamedTuple):
    """The solution of one Gaussian process.

    `shares`: the shares of the similarity, of the graph and of the traits in the kernel.
    `loss`: the total held-out log loss, in nats.
    `weights`: [n, 1 + folds], the weights of the labelled and of the compared images. Column 0 was
    trained on all answers, and column 1 + i was trained without fold i.
    `held_out`: the held-out outputs [n] of these images.
    """

    shares: tuple[float, float, float]
    loss: float
    weights: Matrix
    held_out: Matrix


@dataclass(frozen=True)
class Inputs:
    """The inputs of training that do not depend on any grade.

    `rows`: float32 [n, r], the features of the labelled images, and then of the compared images
    that have no label.
    `nodes`: float16 [N, r], as in KernelHead.
    `far`: float32 [N, n], the graph kernel between each node and each of these images, or None if
    there is no graph.
    `scale`: the ranks of the traits in the library, or None if the traits are unknown.
    `traits`: float32 [n, k], the ranks of these images, or None.
    `are_few`: whether the answers are few enough for `solve_exactly`. Otherwise, the nodes are the
    landmarks of nystrom.py.
    """

    features: Features
    rows: Floats
    nodes: Half
    far: Floats | None
    scale: TraitScale | None = None
    traits: Floats | None = None
    are_few: bool = True

    @classmethod
    def of(cls, examples: Examples, with_graph: bool) -> Inputs:
        features = examples.features or library_features(examples)
        rows = features(examples.all_embeddings, examples.all_extras)
        scale = _scale_of(examples)
        traits = None if scale is None else scale(examples.all_extras, len(rows))
        generator = np.random.default_rng(0)
        answers = len(examples) + len(examples.comparisons)
        if max(len(rows), answers) > MAX_EXACT_LABELS:
            landmarks = np.sort(generator.permutation(len(rows))[:MAX_EXACT_LABELS])
            return cls(
                features, rows, rows[landmarks].astype(np.float16), None, scale, traits, False
            )
        joined = None
        if with_graph:
            size = next(nodes for labels, nodes in GRAPH_NODES if answers <= labels)
            library = examples.library or LibraryNodes.of(
                features, examples.background, examples.background_extras
            )
            joined = library.join(rows, size)
        nodes, graph = joined or (rows.astype(np.float16), None)
        return cls(features, rows, nodes, graph, scale, traits)


def _scale_of(examples: Examples) -> TraitScale | None:
    """Return the ranks of traits in the library. Labelled images are used if it is empty."""
    if examples.extras is None or not examples.extras.shape[1]:
        return None
    library = examples.background_extras
    if examples.library is not None:
        library = examples.library.traits
    return TraitScale.of(examples.extras if library is None or not len(library) else library)


def solve_exactly(
    inputs: Inputs, answers: Answers, folds: Ints, settings: Mapping[str, Any]
) -> Solution:
    """Solve each process with all answers, and return the average of the processes.

    Let A be the covariance of the answers in a process, and y the targets: 2 g - 1 for a label of
    grade g, which is ±1 for keep and trash. For a comparison, preferences.py computes the target.
    The weights of the process are w = A⁻¹y.
    Without fold F, the weights are w - A⁻¹[:, F] (A⁻¹[F, F])⁻¹ w[F].
    The held-out outputs of fold F are y[F] - (A⁻¹[F, F])⁻¹ w[F].
    These formulas are from Rasmussen and Williams (2006, 5.12), extended to blocks. A⁻¹ is computed
    as RᵀR, where R is the inverse of A's Cholesky factor. A comparison belongs to the folds of both
    of its images, and its target is computed once, from the answers of all folds.
    """
    count, fold_count = len(folds), int(folds.max()) + 1
    noise_factor = 1 / balanced_weights(answers.grades)
    pair_scale = settings.get("pair_scale", PAIR_SCALE)
    similarity = rbf(inputs.rows @ inputs.rows.T, settings["gamma"]).astype(np.float64)
    graph = None if inputs.far is None else inputs.far[:count].astype(np.float64)
    curves = None if inputs.traits is None else trait_kernel(inputs.traits, inputs.traits)
    graph_weights = [0.0] if graph is None else settings["reaches"]
    trait_weights = [0.0] if curves is None else settings["curves"]
    processes: list[Process] = []
    for graph_weight, trait_weight, noise in product(
        graph_weights, trait_weights, settings["noises"]
    ):
        total = 1 + graph_weight + trait_weight
        shares = 1 / total, graph_weight / total, trait_weight / total
        kernel = shares[0] * similarity
        if graph is not None and graph_weight > 0:
            kernel += shares[1] * graph
        if curves is not None and trait_weight > 0:
            kernel += shares[2] * curves
        kernel += CONSTANT_VARIANCE
        covariance = answers.covariance(kernel)
        label_noise = np.maximum(noise * noise_factor, MIN_NOISE)
        target, variance = sites_of(answers, covariance, label_noise, pair_scale * noise**0.5)
        root = inverse_of_lower(np.linalg.cholesky(covariance + np.diag(variance)))
        weights = root.T @ (root @ target)
        excesses = np.zeros((answers.count, fold_count))
        outputs = np.empty(count)
        for fold in range(fold_count):
            held = answers.touching(folds == fold)
            columns = root[:, held]
            excess = np.linalg.solve(columns.T @ columns, weights[held])
            excesses[:, fold] = columns @ excess
            if not len(answers.comparisons):
                outputs[held] = target[held] - excess
        fold_weights = np.column_stack([weights, weights[:, None] - root.T @ excesses])
        fold_weights = answers.image_weights(fold_weights, count)
        if len(answers.comparisons):
            outputs = (kernel @ fold_weights)[np.arange(count), 1 + folds]
        processes.append(Process(shares, loss_of(outputs, answers), fold_weights, outputs))
    return _average(inputs, processes, answers.count)


def _average(inputs: Inputs, processes: list[Process], answers: int) -> Solution:
    """Return the average of the processes, weighted by e^-loss · prior.

    This method is pseudo-Bayesian model averaging. `answers`: the number of labels and comparisons.
    """
    shares = np.array([process.shares for process in processes])
    losses = np.array([process.loss for process in processes])
    # Rounded, because the weight is the ratio of two rounded shares.
    rank = np.unique((shares[:, 1] / shares[:, 0]).round(6), return_inverse=True)[1]
    log_trust = -losses + 10 / answers * np.log(PRIOR_ODDS) * (rank.max() - rank)
    trust = np.exp(log_trust - log_trust.max())
    trust /= trust.sum()
    weights = np.stack([process.weights for process in processes])
    near, linked, curved = np.einsum("t,tk,tij->kij", trust, shares, weights)
    outputs = trust @ np.stack([process.held_out for process in processes])
    far = None if inputs.far is None else inputs.far @ linked.astype(np.float32)
    constant = CONSTANT_VARIANCE * np.einsum("t,tij->j", trust, weights)
    curves = None
    if inputs.scale is not None and inputs.traits is not None and curved.any():
        curves = TraitCurves(inputs.scale, curves_of(inputs.traits, curved))
    return Solution(near, far, constant, outputs, curves)


def balanced_weights(grades: Matrix) -> Matrix:
    """Return weights [n] with a mean of 1.

    The weights of the keep labels have the same sum as the weights of the trash labels. A label of
    grade g counts as g keep labels and 1 - g trash labels. If there is only one kind of label, each
    weight is 1.
    """
    share = grades.mean() if len(grades) else 0.5
    if not 0 < share < 1:
        return np.ones(len(grades))
    return np.asarray(grades * (0.5 / share) + (1 - grades) * (0.5 / (1 - share)))
