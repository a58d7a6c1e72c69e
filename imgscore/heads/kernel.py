"""The torch-free default: a Gaussian process on labelled landmarks, solved in weight space.

Training is one linear solve, and so is every leave-fold-out answer: cross-validation is exact and
costs little more than the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.base import Bools, Examples, Fitted, Floats, Half, Ints, Scores
from imgscore.heads.calibration import fit_platt, sigmoid
from imgscore.heads.features import BLOCK, Features, fit_features
from imgscore.heads.groups import split

KIND = "kernel"
LANDMARKS = 1000
RANK = 256
"""Directions kept to tell how sure a score is."""
NOISES = (0.03, 0.1, 0.3, 1.0)
GAMMA = 1.0
BIAS = 3.0
"""Prior standard deviation of the constant term, in units of the target ±1."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class KernelHead:
    """P(keep) = sigmoid(slope · f(x) + offset), f(x) = Σ coefficients · kernel(x, landmarks)."""

    embedder: str
    settings: Mapping[str, Any]
    features: Features
    landmarks: Half
    coefficients: Floats
    spread: Floats
    constant: float
    slope: float
    offset: float
    kind: str = KIND

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        return int(self.landmarks.shape[1])

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Scores of float16 [n, d]; needs one block of float32 beside the landmarks."""
        centres = self.features(self.landmarks)
        score = np.empty(len(embeddings), np.float32)
        deviation = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), BLOCK):
            rows = slice(start, start + BLOCK)
            kernel = rbf(self.features(embeddings[rows]), centres, self.settings["gamma"])
            score[rows] = sigmoid(
                self.slope * (kernel @ self.coefficients + self.constant) + self.offset
            )
            known = kernel @ self.spread
            variance = np.maximum(1 - np.einsum("ij,ij->i", known, known), 0)
            deviation[rows] = self.slope * np.sqrt(variance) * score[rows] * (1 - score[rows])
        return Scores(score, deviation)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """See base.Head."""
        arrays, values = self.features.state()
        arrays |= {
            "landmarks": self.landmarks,
            "coefficients": self.coefficients,
            "spread": self.spread,
        }
        values |= {
            "embedder": self.embedder,
            "settings": dict(self.settings),
            "constant": self.constant,
            "slope": self.slope,
            "offset": self.offset,
        }
        return arrays, values


def rbf(left: Floats, right: Floats, gamma: float) -> Floats:
    """exp(-gamma · |x - y|²) of unit rows, float32 [n, m]."""
    product = left @ right.T
    product -= 1
    product *= 2 * gamma
    np.exp(product, out=product)
    return product


@dataclass(frozen=True)
class _Basis:
    """Labelled images as rows φ with φφᵀ ≈ kernel, exact up to LANDMARKS (Nyström beyond)."""

    features: Features
    landmarks: Half
    root: Matrix
    rows: Matrix

    @classmethod
    def of(cls, examples: Examples, gamma: float) -> _Basis:
        sample = examples.background if len(examples.background) else examples.embeddings
        features = fit_features(sample, examples.sections)
        chosen = np.arange(len(examples))
        if len(chosen) > LANDMARKS:
            chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:LANDMARKS])
        landmarks = examples.embeddings[chosen]
        centres = features(landmarks)
        values, vectors = np.linalg.eigh(rbf(centres, centres, gamma).astype(np.float64))
        real = values > 1e-5 * values[-1]
        root = vectors[:, real] / np.sqrt(values[real])
        rows = np.empty((len(examples), root.shape[1]))
        for start in range(0, len(examples), BLOCK):
            block = slice(start, start + BLOCK)
            rows[block] = rbf(features(examples.embeddings[block]), centres, gamma) @ root
        return cls(features, landmarks, root, np.hstack([rows, np.full((len(rows), 1), BIAS)]))


def _balance(keep: Bools) -> Matrix:
    """Weights that give both kinds the same say, 1 on average."""
    share = keep.mean()
    return np.asarray(np.where(keep, 0.5 / share, 0.5 / (1 - share)))


def _outputs(rows: Matrix, keep: Bools, folds: Ints, noise: float) -> Matrix:
    """Raw output for each row from a solve without its fold."""
    weights = _balance(keep)
    target = np.where(keep, 1.0, -1.0)
    weighted = rows * weights[:, None]
    gram = weighted.T @ rows + noise * np.eye(rows.shape[1])
    moment = weighted.T @ target
    out = np.empty(len(rows))
    for fold in np.unique(folds):
        held = folds == fold
        part = rows[held]
        less = gram - weighted[held].T @ part
        out[held] = part @ np.linalg.solve(less, moment - weighted[held].T @ target[held])
    return out


class KernelRecipe:
    """See base.Recipe. Settings: gamma, noise."""

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train; the noise is the one with the least cross-validated log loss.

        Features and landmarks use no label, so that folds may share them.
        """
        examples.check()
        keep = examples.keep
        folds = split(keep, examples.groups) if folds is None else folds
        gamma = float((settings or {}).get("gamma", GAMMA))
        basis = _Basis.of(examples, gamma)
        rows = basis.rows
        noises = (float(settings["noise"]),) if settings and "noise" in settings else NOISES
        tried = [_outputs(rows, keep, folds, noise) for noise in noises]
        best = int(np.argmin([_surprise(outputs, keep) for outputs in tried]))
        noise, outputs = noises[best], tried[best]
        slope, offset = fit_platt(outputs, keep)

        weighted = rows * _balance(keep)[:, None]
        gram = weighted.T @ rows + noise * np.eye(rows.shape[1])
        solution = np.linalg.solve(gram, weighted.T @ np.where(keep, 1.0, -1.0))
        values, vectors = np.linalg.eigh(gram[:-1, :-1])
        # prior variance 1 less this is the posterior's: what the labels taught in each direction
        taught = vectors * np.sqrt(np.maximum(1 - noise / values, 0))
        head = KernelHead(
            examples.embedder,
            {"gamma": gamma, "noise": noise},
            basis.features,
            basis.landmarks,
            (basis.root @ solution[:-1]).astype(np.float32),
            (basis.root @ taught[:, -RANK:]).astype(np.float32),
            float(BIAS * solution[-1]),
            slope,
            offset,
        )
        return Fitted(head, _held_out(outputs, keep, folds), folds)

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> KernelHead:
        """See base.Recipe."""
        return KernelHead(
            str(values["embedder"]),
            dict(values["settings"]),
            Features.restore(arrays, values),
            arrays["landmarks"],
            arrays["coefficients"],
            arrays["spread"],
            float(values["constant"]),
            float(values["slope"]),
            float(values["offset"]),
        )


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
