"""The torch-free default: Gaussian processes on similarity and on the library's neighbourhoods.

A few processes of different reach and noise are each solved in closed form, their answers without
each fold included, and averaged by how well they foresaw held-out labels. Since all of them are
sums over the same images, the average is again one sum: one set of coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK, Bools, Floats, Half, Ints
from imgscore.heads.base import Examples, Fitted, Scores
from imgscore.heads.calibration import fit_platt, sigmoid
from imgscore.heads.features import Features
from imgscore.heads.graph import NEARNESS, NEIGHBOURS, graph_kernel
from imgscore.heads.groups import split
from imgscore.heads.inverse import inverse_of_lower
from imgscore.heads.library import of_library
from imgscore.heads.scorer import Scorer

KIND = "kernel"
GAMMA = 1.0
NODES = ((100, 7500), (300, 4500))
"""Labels, and images of the graph up to so many: the labelled ones and a sample of the library.
The fewer the labels, the more the library must tell, and the more time is left to ask it."""
FEWEST_NODES = 2000
TWIN = 0.9999
"""Cosine from which an image of the library is the labelled one itself."""
EXACT = 1500
"""Labels up to which each is a landmark of its own and the graph is used; beyond, Nyström."""
REACHES = (0.0, 1.0, 8.0)
"""Weights of the graph's kernel against 1 of the similarity's."""
HABIT = 1e-3
"""Prior odds of a reach against the next longer one with ten labels: the graph is then the better
bet, and held-out labels are too few to say so. With n labels: HABIT to the power of 10 / n."""
NOISES = (0.1, 1.0)
MIN_NOISE = 1e-3
"""Of one label: far more than single precision leaves of a kernel's smallest variance."""
JITTER = 1e-4
CONSTANT = 9.0
"""Prior variance of the constant term, in units of the target ±1."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class KernelHead:
    """P(keep) = sigmoid(f), f(x) = Σ near · rbf(x, node) + Σ far · neighbour(x, node) + constant,
    with rbf = exp(2 · gamma · (cosine - 1)) and neighbour = softmax(NEARNESS · cosine) over nodes.

    nodes: float16 [N, r], the labelled landmarks first. near: float32 [L, 1 + folds],
    far: [N, 1 + folds] or None, constant: [1 + folds]. Column 0 is the head itself,
    the others are the heads without one fold, whose spread tells how far to trust it.
    """

    embedder: str
    settings: Mapping[str, Any]
    features: Features
    nodes: Half
    near: Floats
    far: Floats | None
    constant: Floats
    kind: str = KIND

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        return len(self.features.centre)

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Scores of float16 [n, d], read a block at a time.

        The deviation is the delete-a-fold jackknife (Efron and Stein 1981) of the log-odds, taken
        through the slope of the sigmoid.
        """
        score = np.empty(len(embeddings), np.float32)
        deviation = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), BLOCK):
            rows = slice(start, start + BLOCK)
            odds = self._scorer(embeddings[rows], None if extras is None else extras[rows])
            score[rows] = sigmoid(odds[:, 0])
            folds = odds.shape[1] - 1
            spread = np.sqrt((folds - 1) * odds[:, 1:].var(axis=1))
            deviation[rows] = spread * score[rows] * (1 - score[rows])
        return Scores(score, deviation)

    @cached_property
    def _scorer(self) -> Scorer:
        sharpness = 2 * self.settings["gamma"]
        return Scorer(
            self.features, self.nodes, self.near, self.far, self.constant, sharpness, NEARNESS
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """See base.Head."""
        arrays, values = self.features.state()
        arrays |= {"nodes": self.nodes, "near": self.near, "constant": self.constant}
        if self.far is not None:
            arrays["far"] = self.far
        values |= {"embedder": self.embedder, "settings": dict(self.settings)}
        return arrays, values


def rbf(cosine: Floats, gamma: float) -> Floats:
    """exp(-gamma · |x - y|²) of unit vectors x, y from their cosine."""
    found: Floats = cosine - 1
    found *= 2 * gamma
    return np.asarray(np.exp(found, out=found))


class KernelRecipe:
    """See base.Recipe. Settings: gamma; reaches and noises, lists to choose from."""

    kind = KIND

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train. Features, nodes and graph use no label, so that folds may share them."""
        examples.check()
        # lists, as JSON gives them back: equal settings of a head from disk must compare equal
        chosen = {"gamma": GAMMA, "reaches": [*REACHES], "noises": [*NOISES], **(settings or {})}
        folds = split(examples.keep, examples.groups) if folds is None else folds
        _, folds = np.unique(folds, return_inverse=True)
        library = _Library.of(examples, graph=max(chosen["reaches"]) > 0)
        solve = _exact if len(examples) <= EXACT else _nystrom
        near, far, constant, outputs = solve(library, examples.keep, folds, chosen)
        slope, offset = fit_platt(outputs, examples.keep)
        head = KernelHead(
            examples.embedder,
            chosen,
            library.features,
            library.nodes,
            (slope * near).astype(np.float32),
            None if far is None else (slope * far).astype(np.float32),
            (slope * constant + offset).astype(np.float32),
        )
        return Fitted(head, _held_out(outputs, examples.keep, folds), folds)

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> KernelHead:
        """See base.Recipe."""
        return KernelHead(
            str(values["embedder"]),
            dict(values["settings"]),
            Features.restore(arrays, values),
            arrays["nodes"],
            arrays["near"],
            arrays.get("far"),
            arrays["constant"],
        )


@dataclass(frozen=True)
class _Library:
    """What the unlabelled images say: features, nodes and the graph's kernel [N, n]."""

    features: Features
    rows: Floats
    nodes: Half
    far: Floats | None

    @classmethod
    def of(cls, examples: Examples, graph: bool) -> _Library:
        features = examples.features or of_library(examples)
        rows = features(examples.embeddings, examples.extras)
        generator = np.random.default_rng(0)
        if len(examples) > EXACT:
            chosen = np.sort(generator.permutation(len(examples))[:EXACT])
            return cls(features, rows, rows[chosen].astype(np.float16), None)
        room = next((nodes for most, nodes in NODES if len(examples) <= most), FEWEST_NODES)
        kept = generator.permutation(len(examples.background))[: room - len(examples)]
        more = features(
            examples.background[kept],
            None
            if examples.extras is None or examples.background_extras is None
            else examples.background_extras[kept],
        )
        # a labelled image is in the library too: twice in the graph, it would mind only itself
        more = more[(more @ rows.T).max(axis=1, initial=-1) < TWIN]
        # rounded as they are stored: the head from disk is the head that was tested
        nodes = np.concatenate([rows, more]).astype(np.float16)
        if not graph or len(nodes) <= 2 * NEIGHBOURS:
            return cls(features, rows, nodes[: len(rows)], None)
        return cls(features, rows, nodes, graph_kernel(nodes.astype(np.float32), len(rows)))


def _exact(
    library: _Library, keep: Bools, folds: Ints, chosen: Mapping[str, Any]
) -> tuple[Matrix, Matrix | None, Matrix, Matrix]:
    """Average of the processes, each solved in the labels: (near, far, constant, held out).

    A process with covariance A of the observed labels and weights w = A⁻¹y has, without fold F,
    the weights w - A⁻¹[:, F] (A⁻¹[F, F])⁻¹ w[F], and its held-out outputs are y - (A⁻¹[F, F])⁻¹
    w[F] (Rasmussen and Williams 2006, 5.12, for blocks). A⁻¹ = RᵀR, R the inverse of A's Cholesky
    factor.
    """
    count, groups = len(keep), int(folds.max()) + 1
    target = np.where(keep, 1.0, -1.0)
    noise_of = 1 / _balance(keep)
    similar = rbf(library.rows @ library.rows.T, chosen["gamma"]).astype(np.float64)
    linked = None if library.far is None else library.far[:count].astype(np.float64)
    tried: list[tuple[float, float, Matrix, Matrix]] = []
    for reach, noise in product(chosen["reaches"], chosen["noises"]):
        if linked is None and reach > 0:
            continue
        share = 1 / (1 + reach)
        kernel = (
            similar if linked is None or reach == 0 else share * similar + reach * share * linked
        )
        noisy = np.diag(np.maximum(noise * noise_of, MIN_NOISE))
        root = inverse_of_lower(np.linalg.cholesky(kernel + CONSTANT + noisy))
        whole = root.T @ (root @ target)
        excesses = np.zeros((count, groups))
        outputs = np.empty(count)
        for fold in range(groups):
            held = np.flatnonzero(folds == fold)
            part = root[:, held]
            excess = np.linalg.solve(part.T @ part, whole[held])
            outputs[held] = target[held] - excess
            excesses[:, fold] = part @ excess
        weights = np.column_stack([whole, whole[:, None] - root.T @ excesses])
        doubt = _surprise(outputs, keep) * count
        tried.append((share, doubt, weights, outputs))
    return _average(library, tried)


def _average(
    library: _Library, tried: list[tuple[float, float, Matrix, Matrix]]
) -> tuple[Matrix, Matrix | None, Matrix, Matrix]:
    """Processes weighted by e^(-total held-out log loss): pseudo Bayesian model averaging."""
    shares, doubts = (np.array(column) for column in zip(*[one[:2] for one in tried], strict=True))
    labels = len(tried[0][3])
    rank = np.unique(-shares, return_inverse=True)[1]
    logs = -doubts + 10 / labels * np.log(HABIT) * (rank.max() - rank)
    trust = np.exp(logs - logs.max())
    trust /= trust.sum()
    weights = np.stack([one[2] for one in tried])
    near = np.einsum("t,tij->ij", trust * shares, weights)
    whole = np.einsum("t,tij->ij", trust, weights)
    outputs = trust @ np.stack([one[3] for one in tried])
    far = None if library.far is None else library.far @ (whole - near).astype(np.float32)
    return near, far, CONSTANT * whole.sum(axis=0), outputs


def _nystrom(
    library: _Library, keep: Bools, folds: Ints, chosen: Mapping[str, Any]
) -> tuple[Matrix, Matrix | None, Matrix, Matrix]:
    """The same process on similarity alone, for many labels: solved in EXACT landmarks."""
    nodes = library.nodes.astype(np.float32)
    between = rbf(nodes @ nodes.T, chosen["gamma"]).astype(np.float64)
    lower = np.linalg.cholesky(between + JITTER * np.eye(len(nodes)))
    root = inverse_of_lower(lower).T.astype(np.float32)
    size = root.shape[1] + 1
    groups = int(folds.max()) + 1
    balance = _balance(keep)
    target = np.where(keep, 1.0, -1.0)
    rows = np.empty((len(keep), size), np.float32)
    for start in range(0, len(keep), BLOCK):
        block = slice(start, start + BLOCK)
        rows[block, :-1] = rbf(library.rows[block] @ nodes.T, chosen["gamma"]) @ root
    rows[:, -1] = np.sqrt(CONSTANT)
    grams = np.empty((groups, size, size), np.float32)
    moments = np.empty((groups, size))
    for fold in range(groups):
        held = folds == fold
        weighted = rows[held] * balance[held, None].astype(np.float32)
        grams[fold], moments[fold] = weighted.T @ rows[held], weighted.T @ target[held]
    gram, moment = grams.sum(axis=0, dtype=np.float64), moments.sum(axis=0)
    best: tuple[float, Matrix, Matrix] | None = None
    for noise in chosen["noises"]:
        ridge = noise * np.eye(size)
        solved = np.stack(
            [np.linalg.solve(gram + ridge, moment)]
            + [
                np.linalg.solve(gram - grams[fold] + ridge, moment - moments[fold])
                for fold in range(groups)
            ],
            axis=1,
        )
        outputs = np.empty(len(keep))
        for fold in range(groups):
            held = folds == fold
            outputs[held] = rows[held] @ solved[:, 1 + fold].astype(np.float32)
        loss = _surprise(outputs, keep)
        if best is None or loss < best[0]:
            best = (loss, solved, outputs)
    assert best is not None
    _, solved, outputs = best
    return root @ solved[:-1], None, np.sqrt(CONSTANT) * solved[-1], outputs


def _balance(keep: Bools) -> Matrix:
    """Weights that give both kinds the same say, 1 on average."""
    share = keep.mean()
    return np.asarray(np.where(keep, 0.5 / share, 0.5 / (1 - share)))


def _surprise(outputs: Matrix, keep: Bools) -> float:
    """Mean log loss of held-out outputs, calibrated."""
    slope, offset = fit_platt(outputs, keep)
    return float(np.logaddexp(0, -(slope * outputs + offset) * np.where(keep, 1, -1)).mean())


def _held_out(outputs: Matrix, keep: Bools, folds: Ints) -> Scores:
    """Each fold calibrated by the others."""
    score = np.empty(len(outputs), np.float32)
    for fold in np.unique(folds):
        held = folds == fold
        slope, offset = fit_platt(outputs[~held], keep[~held])
        score[held] = sigmoid(slope * outputs[held] + offset)
    return Scores(score, np.zeros_like(score))
