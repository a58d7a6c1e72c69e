"""Which images to label next: those whose answer would teach the head most."""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import BLOCK, Floats, Half, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.kernel import GAMMA, rbf

ALIKE = 0.9
"""Cosine to a chosen or labelled image from which another of its kind would teach little."""
CANDIDATES = 2000
"""Images compared with each other; of more, so many at random."""
LABELLED = 1500
"""Labelled images whose knowledge is taken off; of more, so many at random."""
NOISE = 0.1


def next_labels(
    head: Head,
    features: Features,
    examples: Examples,
    embeddings: Half,
    count: int,
    extras: Floats | None = None,
) -> Ints:
    """Rows of `embeddings` float16 [m, d] to label next, most telling first, at most `count`.

    An image x is telling where the head is unsure, and where it stands for others of which the
    head is unsure: it is worth H(x) · Σ H(z) cov(x, z)² / (var(x) + NOISE), H being a score's
    entropy and the covariances those of the similarity's Gaussian process once all labels are
    known: the transductive experimental design of Yu, Bi and Tresp (2006), weighted by entropy.
    The best one counts as known, and so on; near-duplicates are left out.
    """
    generator = np.random.default_rng(0)
    some = np.sort(generator.permutation(len(embeddings))[:CANDIDATES])
    extras = None if extras is None else extras[some]
    score = head.score(embeddings[some], extras).score.astype(np.float64)
    score = np.clip(score, 1e-6, 1 - 1e-6)
    unsure = (-score * np.log(score) - (1 - score) * np.log(1 - score)).astype(np.float32)
    rows = features(embeddings[some], extras)
    known = features(examples.embeddings, examples.extras)
    closest = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(known), BLOCK):
        np.maximum(closest, (rows @ known[start : start + BLOCK].T).max(axis=1), out=closest)
    covariance = _unexplained(rows, known[generator.permutation(len(known))[:LABELLED]])
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        variance = covariance.diagonal() + NOISE
        worth = unsure * ((covariance**2) @ unsure) / variance
        worth[closest >= ALIKE] = -1
        best = int(np.argmax(worth))
        if worth[best] < 0:
            break
        chosen.append(best)
        np.maximum(closest, rows @ rows[best], out=closest)
        covariance -= np.outer(covariance[best], covariance[best] / variance[best])
    return np.asarray(some[chosen], np.int64)


def _unexplained(rows: Floats, known: Floats) -> Floats:
    """Covariance float32 [m, m] of unit `rows` once the labels of unit `known` are given."""
    between = rbf(known @ known.T, GAMMA) + NOISE * np.eye(len(known))
    across = rbf(rows @ known.T, GAMMA)
    told = across @ np.linalg.solve(between, across.T)
    return np.asarray(rbf(rows @ rows.T, GAMMA) - told, np.float32)
