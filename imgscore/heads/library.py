"""Fit Features to a library: compute centre, scale and directions from a sample of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.embedders.filename_spec import NAME_SECTION
from imgscore.heads.arrays import EPSILON, Floats, Half, widen
from imgscore.heads.base import Examples
from imgscore.heads.extras import NAMES as TRAIT_NAMES
from imgscore.heads.features import EXTRAS_SHARE, Features
from imgscore.heads.names import MAX_SAMPLE as MAX_NAMES
from imgscore.heads.names import scale_of_names

MAX_DIRECTIONS = 384
"""The largest number of directions to which embeddings are projected. A value of 768 gives no
better results (bench/LEARNING.md)."""
MAX_SAMPLE = 4500
"""The largest number of images from which centre and scale are computed."""
MAX_DIRECTION_SAMPLE = 1024
"""The largest number of images from which the directions are computed. These are the first images
of the sample from which centre and scale are computed. With 2,048 images, the computation would
take 1 s longer."""
NAME_SHARE = 0.1
"""The share of the file name in the squared length of a scaled embedding. The length does not
include the extras (numbers that are computed from traits)."""
MIN_VARIANCE_RATIO = 1e-5
"""The smallest ratio of a direction's variance to the variance of the main direction. Directions
with a smaller ratio contain only rounding errors."""


def library_features(examples: Examples) -> Features:
    """Return Features that are fitted to the background, a sample of the library.

    If the background has fewer than MAX_SAMPLE images, labelled images are added to it. The
    Features do not depend on any label.
    """
    generator = np.random.default_rng(0)
    labelled = generator.permutation(len(examples))
    background = generator.permutation(len(examples.background))
    background, labelled = background[:MAX_SAMPLE], labelled[: max(MAX_SAMPLE - len(background), 0)]
    sample = np.concatenate([examples.background[background], examples.embeddings[labelled]])
    extras = None
    if examples.extras is not None and examples.background_extras is not None:
        extras = np.concatenate([examples.background_extras[background], examples.extras[labelled]])
    return fit_features(sample, examples.sections, extras)


def fit_features(
    sample: Half, sections: Sequence[Section] = (), extras: Floats | None = None
) -> Features:
    """Fit Features to the embeddings `sample` float16 [m, d] and to extras float32 [m, k].

    If `extras` has further columns than those of the traits, they are the vectors of the file
    names. `names.py` measures their weight.

    If the first section has no negative values, the square root of each value is used. Averages
    after a ReLU, for example, have no negative values. The root shortens the long tail of the
    values. A section with square roots is not scaled, because its columns with small values are
    noise. All other sections are standardised.

    The weight of the first section is equal to the sum of the weights of all other image sections.
    The section of the file name has a separate weight. The directions are computed from the first
    MAX_DIRECTION_SAMPLE rows.
    """
    width = sample.shape[1]
    spans = tuple((section.start, section.stop) for section in sections) or ((0, width),)
    names = None if extras is None else extras[:, len(TRAIT_NAMES) :]
    extras = None if extras is None else extras[:, : len(TRAIT_NAMES)]
    extras_width = 0 if extras is None else extras.shape[1]
    weights = _weights([section.name for section in sections] or ["all"], bool(extras_width))
    centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    rooted = []
    for start, stop in spans:
        values = np.empty((len(sample), stop - start), np.float32)
        widen(sample[:, start:stop], values)
        root = bool((values >= 0).all()) and start == spans[0][0]
        if root:
            np.sqrt(values, out=values)
        centre[start:stop] = values.mean(axis=0)
        if not root:
            scale[start:stop] = _inverse(values.std(axis=0))
        rooted.append(root)
    extras_centre = np.zeros(extras_width, np.float32)
    extras_scale = np.zeros(extras_width, np.float32)
    if extras is not None:
        known = np.isfinite(extras)
        count = np.maximum(known.sum(axis=0), 1)
        extras_centre = (np.where(known, extras, 0).sum(axis=0) / count).astype(np.float32)
        centred = np.where(known, extras - extras_centre, 0)
        extras_scale = _inverse(np.sqrt((centred**2).sum(axis=0) / count))
    features = Features(
        spans,
        tuple(rooted),
        weights,
        centre,
        scale,
        extras_centre,
        extras_scale,
        np.empty((width + extras_width, 0), np.float32),
    )
    rows = features.scaled(
        sample[:MAX_DIRECTION_SAMPLE], None if extras is None else extras[:MAX_DIRECTION_SAMPLE]
    )
    features = replace(features, directions=_directions(rows))
    if names is None or not names.shape[1]:
        return features
    images = features(sample[:MAX_NAMES], None if extras is None else extras[:MAX_NAMES])
    scale = scale_of_names(images, names[:MAX_NAMES])
    if not len(scale):
        return features
    with_names = np.hstack([rows, names[:MAX_DIRECTION_SAMPLE] * scale])
    return replace(features, directions=_directions(with_names), name_scale=scale)


def _weights(names: Sequence[str], extras: bool) -> tuple[float, ...]:
    """Return the share of each section in the squared length.

    The sum of the shares is 1 - EXTRAS_SHARE if `extras` is True, else 1.
    """
    named = NAME_SECTION in names
    image_share = (1 - EXTRAS_SHARE * extras) * (1 - NAME_SHARE * named)
    further = len(names) - 1 - named
    shares = {
        NAME_SECTION: (1 - EXTRAS_SHARE * extras) * NAME_SHARE,
        names[0]: image_share / 2 if further else image_share,
    }
    return tuple(shares.get(name, image_share / 2 / max(further, 1)) for name in names)


def _inverse(deviation: NDArray[np.floating]) -> Floats:
    """Return 1 / deviation, or 0 for a constant column, which contains no information."""
    inverse: Floats = np.zeros(deviation.shape, np.float32)
    np.divide(1, deviation, out=inverse, where=deviation > EPSILON)
    return inverse


def _directions(rows: Floats) -> Floats:
    """Return the main directions of rows float32 [m, w], as float32 [w, r].

    The rows are not centred. The last column is the direction with the largest variance. The
    matrices rows · rowsᵀ and rowsᵀ · rows have equal positive eigenvalues. The directions are
    computed from the smaller of the two matrices. There is at least one direction, even if all rows
    are equal, because some numerical libraries cannot multiply empty matrices.
    """
    wide = rows.shape[1] > len(rows)
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    values = np.maximum(values, EPSILON)
    kept = np.flatnonzero(values > MIN_VARIANCE_RATIO * values[-1])[-MAX_DIRECTIONS:]
    directions: Floats = (
        rows.T @ (vectors[:, kept] / np.sqrt(values[kept])) if wide else vectors[:, kept]
    )
    return directions
