"""Measure, without a label, whether files with similar names contain similar images.

A name such as `cat on sofa` describes its image, and a name such as IMG_1234 does not. Each column
of the vectors of names stands for some parts of words. Its weight grows with the similarity of the
images whose names contain these parts. If no column has a weight, a head is equal to a head without
names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import EPSILON, Floats

NAME_SHARE = 0.8
"""The squared length of the vector of a name if all columns of all names count fully. The squared
length of all other features is 1 (bench/LEARNING.md, "Names")."""
FULL_SIMILARITY = 0.05
"""The similarity of images from which a column of their names counts fully. It is the mean cosine
of two images whose names share the column, where the mean cosine of all images is 0. The images of
one category have 0.05 to 0.2."""
MIN_DEVIATIONS = 3.0
"""The smallest number of standard deviations by which a column that counts must exceed chance."""
MIN_TOTAL_DEVIATIONS = 5.0
"""The smallest number of standard deviations by which all columns together must exceed chance, so
that names count at all. The alignment of camera names, dealt out at random to 300 to 4500 images,
exceeded chance by 1 at most. Descriptive names of half of 300 images exceed it by 10."""
MIN_ALIGNMENT = 1.3
"""The smallest alignment of all columns with which names count at all. Names with a smaller
alignment would hardly change a score."""
MAX_SAMPLE = 2048
"""The largest number of images on which the alignment is measured. They take 0.2 s."""


def scale_of_names(images: Floats, vectors: Floats) -> Floats:
    """Return the scale of each column of the vectors of names, float32 [w].

    `images`: float32 [m, r], unit vectors of images. `vectors`: float32 [m, w], those of their file
    names. The result is empty, float32 [0], if names do not count.

    The alignment of a column x is |Σ xᵢ rᵢ|² / expected, with centred x and r. It is the kernel
    alignment of Cristianini et al. (2002) between the column and the images. `expected` is its mean
    over all permutations of the names, so that the alignment of random names is about 1. If a
    column belongs to m images whose mean cosine is s, the alignment is about 1 + (m - 1) · s.
    """
    none: Floats = np.empty(0, np.float32)
    rows: NDArray[np.float64] = np.array(images[:MAX_SAMPLE], np.float64)
    names: NDArray[np.float64] = np.array(vectors[:MAX_SAMPLE], np.float64)
    count = len(rows)
    if count < 3:
        return none
    rows -= rows.mean(axis=0)
    names -= names.mean(axis=0)
    variance = (names**2).sum(axis=0)
    expected = variance * ((rows**2).sum() / (count - 1))
    observed = ((rows.T @ names) ** 2).sum(axis=0)
    if not expected.sum():
        return none
    spread, spread_of_names = _spread(rows), _spread(names)
    total_deviation = np.sqrt(2 * spread * spread_of_names)
    least = max(MIN_ALIGNMENT, 1 + MIN_TOTAL_DEVIATIONS * total_deviation)
    if observed.sum() < least * expected.sum():
        return none
    excess = observed / np.maximum(expected, EPSILON) - 1
    # The number of images that a column belongs to. A column of equal numbers belongs to none.
    members = variance**2 / np.maximum((names**4).sum(axis=0), EPSILON)
    similarity = excess / np.maximum(members - 1, 1)
    counts = (excess >= MIN_DEVIATIONS * np.sqrt(2 * spread)) & (variance > EPSILON)
    weight = np.where(counts, np.clip(similarity / FULL_SIMILARITY, 0, 1), 0)
    # The share of the names that describe images. An image with another name becomes less similar
    # to images with a descriptive name, so names count less if many of them describe nothing.
    squares = np.square(vectors[:MAX_SAMPLE], dtype=np.float64).sum(axis=0)
    descriptive = float(squares @ weight / max(squares.sum(), EPSILON))
    return np.sqrt(NAME_SHARE * descriptive * weight).astype(np.float32) if descriptive else none


def _spread(rows: NDArray[np.float64]) -> float:
    """Return Σ λ² / (Σ λ)² of the eigenvalues λ of rowsᵀ · rows: 1 / the effective dimension.

    The alignment of one random column has the variance 2 · _spread(images). The alignment of all
    columns has the variance 2 · _spread(images) · _spread(names).
    """
    product = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    return float((product**2).sum() / max(np.trace(product) ** 2, EPSILON))
