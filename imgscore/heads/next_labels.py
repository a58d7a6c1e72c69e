"""Choose the images to label next: the images whose labels should improve the head most."""

from __future__ import annotations

import numpy as np

from imgscore.heads.arrays import BLOCK_ROWS, Floats, Half, Ints
from imgscore.heads.base import Examples, Head
from imgscore.heads.features import Features
from imgscore.heads.kernel_solver import GAMMA, rbf

SIMILAR_COSINE = 0.9
"""An image is skipped if its cosine with a chosen or labelled image is at least this number. The
label of a skipped image would add little information."""
MAX_CANDIDATES = 2000
"""The largest number of images from which `next_labels` chooses. If there are more images, a random
sample is used, because the time grows with the square of this number."""
MAX_LABELLED = 1500
"""The largest number of labelled images that `next_labels` uses to compute covariances. If there
are more, a random sample is used."""
LABEL_NOISE = 0.1
"""The noise variance of a label, in units of the target ±1."""


def next_labels(
    head: Head,
    features: Features,
    examples: Examples,
    embeddings: Half,
    count: int,
    extras: Floats | None = None,
) -> Ints:
    """Return at most `count` rows of `embeddings` to label next, the most useful row first.

    `embeddings`: float16 [m, d].
    `extras`: float32 [m, k], or None; see Head.score.

    The value of an image x is H(x) · Σ H(z) cov(x, z)² / (var(x) + LABEL_NOISE). The sum is over
    all candidates z. H(x) is the entropy of the score of x. cov and var are the covariance and
    variance in a Gaussian process with the similarity kernel, given the labels. The formula is the
    transductive experimental design of Yu, Bi and Tresp (2006), weighted by entropy.

    The function chooses the image with the largest value, treats it as labelled, and then chooses
    the next image. It skips images that are similar to a labelled or chosen image.
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
    """Return the covariance float32 [m, m] of `rows`, given the labels of the rows `labelled`.

    All rows are unit vectors.
    """
    observed = rbf(labelled @ labelled.T, GAMMA) + LABEL_NOISE * np.eye(len(labelled))
    cross = rbf(rows @ labelled.T, GAMMA)
    explained = cross @ np.linalg.solve(observed, cross.T)
    return np.asarray(rbf(rows @ rows.T, GAMMA) - explained, np.float32)
