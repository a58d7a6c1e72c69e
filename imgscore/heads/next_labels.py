"""Choose the images to label next: those whose labels would improve the head most."""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import BLOCK_ROWS, Floats, Half, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.kernel import GAMMA, rbf

SIMILAR_COSINE = 0.9
"""Cosine to a chosen or labelled image from which an image is skipped: it would add little."""
MAX_CANDIDATES = 2000
"""Images among which is chosen, at random if there are more: time grows with the square."""
MAX_LABELLED = 1500
"""Labelled images that are taken into account, at random if there are more."""
LABEL_NOISE = 0.1
"""Noise variance of a label, in units of the target ±1."""


def next_labels(
    head: Head,
    features: Features,
    examples: Examples,
    embeddings: Half,
    count: int,
    extras: Floats | None = None,
) -> Ints:
    """Rows of `embeddings` float16 [m, d] to label next, most useful first, at most `count`.

    The value of an image x is H(x) · Σ H(z) cov(x, z)² / (var(x) + LABEL_NOISE), summed over all
    candidates z. H is the entropy of a score; the covariances are those of the similarity's
    Gaussian process, given all labels. This is the transductive experimental design of Yu, Bi and
    Tresp (2006), weighted by entropy. The best image is taken, then counts as labelled, and so on.
    Images similar to a labelled one are skipped.

    extras: float32 [m, k]; see Head.score.
    """
    generator = np.random.default_rng(0)
    candidates = np.sort(generator.permutation(len(embeddings))[:MAX_CANDIDATES])
    extras = None if extras is None else extras[candidates]
    score = head.score(embeddings[candidates], extras).score.astype(np.float64)
    score = np.clip(score, 1e-6, 1 - 1e-6)
    entropy = (-score * np.log(score) - (1 - score) * np.log(1 - score)).astype(np.float32)
    rows = features(embeddings[candidates], extras)
    labelled = features(examples.embeddings, examples.extras)
    closest = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(labelled), BLOCK_ROWS):
        np.maximum(
            closest, (rows @ labelled[start : start + BLOCK_ROWS].T).max(axis=1), out=closest
        )
    covariance = _posterior(rows, labelled[generator.permutation(len(labelled))[:MAX_LABELLED]])
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        variance = covariance.diagonal() + LABEL_NOISE
        value = entropy * ((covariance**2) @ entropy) / variance
        value[closest >= SIMILAR_COSINE] = -1
        best = int(np.argmax(value))
        if value[best] < 0:
            break
        chosen.append(best)
        np.maximum(closest, rows @ rows[best], out=closest)
        covariance -= np.outer(covariance[best], covariance[best] / variance[best])
    return np.asarray(candidates[chosen], np.int64)


def _posterior(rows: Floats, labelled: Floats) -> Floats:
    """Covariance float32 [m, m] of unit `rows`, given the labels of the unit rows `labelled`."""
    observed = rbf(labelled @ labelled.T, GAMMA) + LABEL_NOISE * np.eye(len(labelled))
    cross = rbf(rows @ labelled.T, GAMMA)
    explained = cross @ np.linalg.solve(observed, cross.T)
    return np.asarray(rbf(rows @ rows.T, GAMMA) - explained, np.float32)
