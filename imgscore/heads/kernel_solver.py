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
from imgscore.heads.library_mean import MEAN_TARGET, MEAN_WEIGHT, LibraryMean, with_mean
from imgscore.heads.library_nodes import LibraryNodes
from imgscore.heads.preferences import Answers, sites_of
from imgscore.heads.trait_choice import MAX_LABELS, probable_traits, single_kernel
from imgscore.heads.trait_curves import (
    TraitCurves,
    TraitScale,
    curves_of,
    knot_weights,
    trait_kernel,
)

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
"""The weights of the graph kernel in the processes. The weight of the similarity is 1. A process
without the graph is needed for libraries without clusters, and for tastes that cut them. The graph
weights are stored with a head as the setting "reaches"."""
PRIOR_ODDS = 0.1
"""The prior odds of a graph weight against the next larger graph weight, for ten labels. With ten
labels, the graph is usually better, but so few held-out labels cannot show this. For n labels, the
odds are PRIOR_ODDS to the power of 10 / n."""
TRAIT_WEIGHT = 1.0
"""The weight of the trait kernel (see trait_curves.py). The weight of the similarity is 1."""
NOISE = 1.0
"""The noise variance of a label, in units of the target ±1 of keep and trash."""
PAIR_SCALE = 1.0
"""The scale of a comparison (see preferences.py) at a noise variance of 1, in units of the target.
With the noise variance v, the scale is the square root of v times this number. Values of 0.5 and 2
give equally good results (bench/LEARNING.md)."""
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

    `shares`: the shares of the similarity and of the graph in the kernel.
    `trait_shares`: [k], the share of each trait in the kernel.
    `loss`: the total held-out log loss, in nats, minus the logarithm of the prior weight.
    `weights`: [n, 1 + folds], the weights of the labelled and of the compared images, and of the
    library's mean if it is used. Column 0 was trained on all answers, and column 1 + i was trained
    without fold i.
    `held_out`: the held-out outputs [n] of the images, without the library's mean.
    """

    shares: tuple[float, float]
    trait_shares: Matrix
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
    `mean`: the mean of the library, or None if the library is too small.
    """

    features: Features
    rows: Floats
    nodes: Half
    far: Floats | None
    scale: TraitScale | None = None
    traits: Floats | None = None
    are_few: bool = True
    mean: LibraryMean | None = None

    @classmethod
    def of(cls, examples: Examples, with_graph: bool) -> Inputs:
        features = examples.features or library_features(examples)
        projected = examples.projected
        if projected is None:
            projected = features.projected(examples.all_embeddings)
        rows = features.unit_rows(projected, examples.all_extras)
        scale = _scale_of(examples)
        traits = None if scale is None else scale(examples.all_extras, len(rows))
        generator = np.random.default_rng(0)
        answers = len(examples) + len(examples.comparisons)
        if max(len(rows), answers) > MAX_EXACT_LABELS:
            landmarks = np.sort(generator.permutation(len(rows))[:MAX_EXACT_LABELS])
            return cls(
                features, rows, rows[landmarks].astype(np.float16), None, scale, traits, False
            )
        if not with_graph:
            return cls(features, rows, rows.astype(np.float16), None, scale, traits)
        size = next(nodes for labels, nodes in GRAPH_NODES if answers <= labels)
        library = examples.library or LibraryNodes.of(
            features, examples.background, examples.background_extras
        )
        joined = library.join(rows, size)
        if joined is None:
            return cls(features, rows, rows.astype(np.float16), None, scale, traits)
        return cls(
            features,
            rows,
            joined.nodes,
            joined.kernel,
            scale,
            traits,
            mean=LibraryMean.of(joined.mean, joined.traits, scale),
        )


def _scale_of(examples: Examples) -> TraitScale | None:
    """Return the ranks of traits in the library. Labelled images are used if it is empty."""
    if examples.extras is None or not examples.extras.shape[1]:
        return None
    library = examples.background_extras
    if examples.library is not None:
        library = examples.library.traits
    return TraitScale.of(examples.extras if library is None or not len(library) else library)


class _Kernels(NamedTuple):
    """The kernels [n, n] of the labelled and compared images, and of the library's mean.

    `knots`: [k, n, KNOTS], the knot weights of the traits (see trait_curves.py), or None.
    """

    similarity: Matrix
    graph: Matrix | None
    knots: Matrix | None

    @classmethod
    def of(cls, inputs: Inputs, mean: LibraryMean | None, gamma: float) -> _Kernels:
        count = len(inputs.rows)
        similarity = rbf(inputs.rows @ inputs.rows.T, gamma).astype(np.float64)
        graph = None if inputs.far is None else inputs.far[:count].astype(np.float64)
        knots = None if inputs.traits is None else knot_weights(inputs.traits)
        if mean is None:
            return cls(similarity, graph, knots)
        sample = inputs.nodes[count : count + mean.count].astype(np.float32)
        column = rbf(inputs.rows @ sample.T, gamma).mean(axis=1, dtype=np.float64)
        variance = float(rbf(sample @ sample.T, gamma).mean(dtype=np.float64))
        similarity = with_mean(similarity, column, variance)
        if graph is not None:
            column = mean.graph.column[:count].astype(np.float64)
            graph = with_mean(graph, column, mean.graph.variance)
        if knots is not None and mean.ranks is not None:
            average = knot_weights(mean.ranks).mean(axis=1, keepdims=True)
            knots = np.concatenate([knots, average], axis=1)
        return cls(similarity, graph, knots)


def solve_exactly(
    inputs: Inputs, answers: Answers, folds: Ints, settings: Mapping[str, Any]
) -> Solution:
    """Solve each process with all answers, and return the average of the processes.

    Let A be the covariance of the answers in a process, and y the targets: 2 g - 1 for a label of
    grade g, which is ±1 for keep and trash. For a comparison, preferences.py computes the target.
    If there are only labels, the library's mean is another answer, which belongs to no fold.
    The weights of the process are w = A⁻¹y.
    Without fold F, the weights are w - A⁻¹[:, F] (A⁻¹[F, F])⁻¹ w[F].
    The held-out outputs of fold F are y[F] - (A⁻¹[F, F])⁻¹ w[F].
    These formulas are from Rasmussen and Williams (2006, 5.12), extended to blocks. A⁻¹ is computed
    as RᵀR, where R is the inverse of A's Cholesky factor. A comparison belongs to the folds of both
    of its images, and its target is computed once, from the answers of all folds.
    """
    count, fold_count = len(folds), int(folds.max()) + 1
    mean = None if len(answers.comparisons) else inputs.mean
    size = answers.count + (mean is not None)
    pair_scale = settings.get("pair_scale", PAIR_SCALE)
    kernels = _Kernels.of(inputs, mean, settings["gamma"])
    noise, trait_weight = settings["noise"], settings["trait_weight"]
    label_noise = np.maximum(noise / answers.label_weights, MIN_NOISE)
    mixtures = _trait_mixtures(kernels, answers, label_noise, settings)
    graph_weights = [0.0] if kernels.graph is None else settings["reaches"]
    processes: list[Process] = []
    for graph_weight, mixture in product(graph_weights, mixtures):
        total = 1 + graph_weight + trait_weight * mixture.weights.sum()
        kernel = kernels.similarity / total
        if kernels.graph is not None and graph_weight > 0:
            kernel += graph_weight / total * kernels.graph
        if mixture.kernel is not None:
            kernel += trait_weight / total * mixture.kernel
        kernel += CONSTANT_VARIANCE
        covariance = answers.covariance(kernel)
        if len(answers.comparisons):
            target, variance = sites_of(answers, covariance, label_noise, pair_scale * noise**0.5)
        else:
            target, variance = _targets(answers, label_noise, noise, size)
        root = inverse_of_lower(np.linalg.cholesky(covariance + np.diag(variance)))
        weights = root.T @ (root @ target)
        excesses = np.zeros((size, fold_count))
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
        larger = sum(weight > graph_weight for weight in graph_weights)
        log_prior = mixture.log_prior + 10 / answers.evidence * np.log(PRIOR_ODDS) * larger
        loss = loss_of(outputs, answers) - log_prior
        shares = 1 / total, graph_weight / total
        traits = trait_weight / total * mixture.weights
        processes.append(Process(shares, traits, loss, fold_weights, outputs))
    return _average(inputs, kernels, processes)


def _targets(
    answers: Answers, label_noise: Matrix, noise: float, size: int
) -> tuple[Matrix, Matrix]:
    """Return the targets [size] and their noise variances for labels and the library's mean."""
    target, variance = np.full(size, MEAN_TARGET), np.full(size, noise / MEAN_WEIGHT)
    target[: answers.count], variance[: answers.count] = 2 * answers.grades - 1, label_noise
    return target, variance


class _TraitMixture(NamedTuple):
    """A trait kernel: the sum of the kernels of all traits times their `weights` [k].

    `kernel`: [n, n], or None if there is no trait. The sum of the weights is then 0, else 1.
    `log_prior`: the logarithm of the prior weight of its processes.
    """

    weights: Matrix
    kernel: Matrix | None
    log_prior: float = 0.0


def _trait_mixtures(
    kernels: _Kernels, answers: Answers, label_noise: Matrix, settings: Mapping[str, Any]
) -> list[_TraitMixture]:
    """Return the trait kernels of all processes.

    The first one is the additive kernel, the mean over all traits. If there are few labels and no
    comparisons, single traits are tried, too. All of them together have the prior weight of the
    additive kernel.
    """
    weight = settings["trait_weight"]
    if kernels.knots is None or not weight:
        return [_TraitMixture(np.zeros(0 if kernels.knots is None else len(kernels.knots)), None)]
    count = len(kernels.knots)
    additive = trait_kernel(kernels.knots, kernels.knots)
    mixtures = [_TraitMixture(np.full(count, 1 / count), additive)]
    if len(answers.comparisons) or answers.count > MAX_LABELS:
        return mixtures
    size = len(kernels.similarity)
    target, variance = _targets(answers, label_noise, settings["noise"], size)
    base = kernels.similarity / (1 + weight) + CONSTANT_VARIANCE
    knots = (weight / (1 + weight)) ** 0.5 * kernels.knots
    for trait in probable_traits(base, knots, target, variance):
        alone = single_kernel(kernels.knots[trait])
        mixtures.append(_TraitMixture(np.eye(count)[trait], alone, -float(np.log(count))))
    return mixtures


def _average(inputs: Inputs, kernels: _Kernels, processes: list[Process]) -> Solution:
    """Return the average of the processes' outputs, weighted by e^-loss · prior.

    This method is pseudo-Bayesian model averaging.
    """
    shares = np.array([process.shares for process in processes])
    trait_shares = np.array([process.trait_shares for process in processes])
    losses = np.array([process.loss for process in processes])
    trust = np.exp(losses.min() - losses)
    trust /= trust.sum()
    weights = np.stack([process.weights for process in processes])
    near, linked = np.einsum("t,tk,tij->kij", trust, shares, weights)
    outputs = trust @ np.stack([process.held_out for process in processes])
    count = len(inputs.rows)
    far = None if inputs.far is None else inputs.far @ linked[:count].astype(np.float32)
    if inputs.mean is not None and len(near) > count:
        if far is not None:
            far += np.outer(inputs.mean.graph.column, linked[count]).astype(np.float32)
        spread = np.repeat(near[count:] / inputs.mean.count, inputs.mean.count, axis=0)
        near = np.concatenate([near[:count], spread])
    constant = CONSTANT_VARIANCE * np.einsum("t,tij->j", trust, weights)
    curves = None
    if inputs.scale is not None and kernels.knots is not None and trait_shares.any():
        curved = np.einsum("t,tk,tij->kij", trust, trait_shares, weights)
        curves = TraitCurves(inputs.scale, curves_of(kernels.knots, curved))
    return Solution(near, far, constant, outputs, curves)
