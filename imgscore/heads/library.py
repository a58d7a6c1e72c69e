"""Fits Features to a library: centre, scale and main directions of a sample of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.embedders.filename_spec import NAME_SECTION
from imgscore.heads.arrays import TINY, Floats, Half, widen
from imgscore.heads.base import Examples
from imgscore.heads.features import EXTRAS, Features

DIRECTIONS = 384
SAMPLE = 4500
"""Images that centre and scale are taken from."""
SPANNING = 1024
"""Of them, those whose main directions are found."""
NAME_SHARE = 0.1
"""Share of the file's name in what the extras leave."""
FAINTEST = 1e-5
"""Least variance of a direction against the main one's; fainter ones are rounding."""


def of_library(examples: Examples) -> Features:
    """Features of the background, and of the labelled images where that is small. Asks no label."""
    generator = np.random.default_rng(0)
    labelled = generator.permutation(len(examples))
    others = generator.permutation(len(examples.background))
    some, own = others[:SAMPLE], labelled[: max(SAMPLE - len(others), 0)]
    sample = np.concatenate([examples.background[some], examples.embeddings[own]])
    extras = None
    if examples.extras is not None and examples.background_extras is not None:
        extras = np.concatenate([examples.background_extras[some], examples.extras[own]])
    return fit_features(sample, examples.sections, extras)


def fit_features(
    sample: Half, sections: Sequence[Section] = (), extras: Floats | None = None
) -> Features:
    """Features with centre, scale and main directions of `sample`, float16 [m, d].

    A first section without negative values (averages after a ReLU) is square-rooted, which tames
    its long tail, and keeps its own scale: there small channels are noise. The others are
    standardised. The first section weighs as much as all others together. Directions are those
    of the first SPANNING rows: put the rows that matter most first.
    """
    width = sample.shape[1]
    spans = tuple((one.start, one.stop) for one in sections) or ((0, width),)
    more = 0 if extras is None else extras.shape[1]
    weights = _weights([one.name for one in sections] or ["all"], bool(more))
    centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    rooted = []
    for start, stop in spans:
        part = np.empty((len(sample), stop - start), np.float32)
        widen(sample[:, start:stop], part)
        root = bool((part >= 0).all()) and start == spans[0][0]
        if root:
            np.sqrt(part, out=part)
        centre[start:stop] = part.mean(axis=0)
        if not root:
            scale[start:stop] = _inverse(part.std(axis=0))
        rooted.append(root)
    extras_centre, extras_scale = np.zeros(more, np.float32), np.zeros(more, np.float32)
    if extras is not None:
        known = np.isfinite(extras)
        count = np.maximum(known.sum(axis=0), 1)
        extras_centre = (np.where(known, extras, 0).sum(axis=0) / count).astype(np.float32)
        apart = np.where(known, extras - extras_centre, 0)
        extras_scale = _inverse(np.sqrt((apart**2).sum(axis=0) / count))
    features = Features(
        spans,
        tuple(rooted),
        weights,
        centre,
        scale,
        extras_centre,
        extras_scale,
        np.empty((width + more, 0), np.float32),
    )
    main = features.scaled(sample[:SPANNING], None if extras is None else extras[:SPANNING])
    return replace(features, directions=_directions(main))


def _weights(names: Sequence[str], extras: bool) -> tuple[float, ...]:
    """Each section's share of the squared length; what is missing to 1 is the extras'."""
    named = NAME_SECTION in names
    left = (1 - EXTRAS * extras) * (1 - NAME_SHARE * named)
    rest = len(names) - 1 - named
    name_share = (1 - EXTRAS * extras) * NAME_SHARE
    shares = {NAME_SECTION: name_share, names[0]: left / 2 if rest else left}
    return tuple(shares.get(name, left / 2 / max(rest, 1)) for name in names)


def _inverse(spread: NDArray[np.floating]) -> Floats:
    """1 / spread, 0 where a column is constant and so carries nothing."""
    found: Floats = np.zeros(spread.shape, np.float32)
    np.divide(1, spread, out=found, where=spread > TINY)
    return found


def _directions(rows: Floats) -> Floats:
    """The main directions of float32 [m, w] about the origin, the main one last.

    Found on the shorter side: rows and columns have the same variances along them. At least one,
    even if nothing varies: products over no direction at all are not defined everywhere.
    """
    wide = rows.shape[1] > len(rows)
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    values = np.maximum(values, TINY)
    kept = np.flatnonzero(values > FAINTEST * values[-1])[-DIRECTIONS:]
    found: Floats = (
        rows.T @ (vectors[:, kept] / np.sqrt(values[kept])) if wide else vectors[:, kept]
    )
    return found
