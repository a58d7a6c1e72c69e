"""Embeddings made comparable: each section centred on the library, scaled, brought to unit length.

What is common to all of a person's images says nothing about taste, so centre, scale and main
directions come from the unlabelled background, not from the few labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.embedders.filename_spec import SECTION
from imgscore.errors import UsageError
from imgscore.heads.base import Examples, Floats, Half

BLOCK = 256
"""Rows read at once: a float32 block of 2,528 columns takes 2.5 MB and stays near the cache."""
DIRECTIONS = 384
SAMPLE = 4500
"""Images that centre and scale are taken from."""
SPANNING = 1024
"""Of them, those whose main directions are found."""
EXTRAS = 0.1
"""Share of the extras in the squared length."""
NAME_SHARE = 0.1
"""Share of the file's name in what the extras leave."""
FARTHEST = 3.0
"""Standard deviations at which an extra is clipped: one odd file must not fill its section."""
TINY = 1e-6
FAINTEST = 1e-5
"""Least variance of a direction against the main one's; fainter ones are rounding."""


@dataclass(frozen=True)
class Features:
    """The map from an embedding (and extras) to a unit vector of `directions` numbers.

    spans: (start, stop) of each section. rooted: whether its square root is taken.
    weights: each section's share of the squared length; with that of the extras they sum to 1.
    centre, scale: float32 [d]; scale is not used where rooted. extras_centre, extras_scale:
    float32 [k], k may be 0.
    directions: float32 [d + k, r], orthonormal columns.
    """

    spans: tuple[tuple[int, int], ...]
    rooted: tuple[bool, ...]
    weights: tuple[float, ...]
    centre: Floats
    scale: Floats
    extras_centre: Floats
    extras_scale: Floats
    directions: Floats

    def __call__(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Unit rows float32 [n, r] of float16 [n, d] and float32 [n, k], a block at a time.

        Extras that are NaN, or missing altogether, count as the library's mean.
        """
        found = np.empty((len(embeddings), self.directions.shape[1]), np.float32)
        for start in range(0, len(embeddings), BLOCK):
            rows = slice(start, start + BLOCK)
            block = self.scaled(embeddings[rows], None if extras is None else extras[rows])
            found[rows] = block @ self.directions
        return unit(found)

    def scaled(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Unit rows float32 [n, d + k] before the projection. Holds all n: pass blocks."""
        width, more = len(self.centre), len(self.extras_centre)
        if embeddings.shape[1] != width:
            raise UsageError(f"this head scores {width} numbers, not {embeddings.shape[1]}")
        values = np.empty((len(embeddings), width + more), np.float32)
        values[:, width:] = 0
        widen(embeddings, values[:, :width])
        for (start, stop), rooted in zip(self.spans, self.rooted, strict=True):
            if rooted:
                part = values[:, start:stop]
                np.sqrt(np.maximum(part, 0, out=part), out=part)
        values[:, :width] -= self.centre
        for (start, stop), rooted, weight in zip(
            self.spans, self.rooted, self.weights, strict=True
        ):
            part = values[:, start:stop]
            if not rooted:
                part *= self.scale[start:stop]
            unit(part, weight)
        if extras is not None and more:
            part = values[:, width:]
            part += (extras - self.extras_centre) * self.extras_scale
            part[np.isnan(part)] = 0
            np.clip(part, -FARTHEST, FARTHEST, out=part)
            unit(part, EXTRAS)
        return values

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able values, for saving."""
        arrays: dict[str, NDArray[Any]] = {
            "centre": self.centre,
            "scale": self.scale,
            "extras_centre": self.extras_centre,
            "extras_scale": self.extras_scale,
            "directions": self.directions,
        }
        return arrays, {"spans": self.spans, "rooted": self.rooted, "weights": self.weights}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Features:
        """What `state` described."""
        return cls(
            tuple((int(start), int(stop)) for start, stop in values["spans"]),
            tuple(bool(one) for one in values["rooted"]),
            tuple(float(one) for one in values["weights"]),
            arrays["centre"],
            arrays["scale"],
            arrays["extras_centre"],
            arrays["extras_scale"],
            arrays["directions"],
        )


def widen(half: Half, out: Floats) -> None:
    """Finite float16 values into float32 `out`, by their bits: six times as fast as numpy's cast.

    The fields move to their places; the exponents' biases, 15 and 127, then differ by a factor.
    """
    bits = np.left_shift(half.view(np.int16), 13, dtype=np.int32)
    bits &= np.int32(-0x70002000)  # what the sign has filled, and 13 empty bits
    np.multiply(bits.view(np.float32), np.float32(2.0**112), out=out)


def unit(rows: Floats, weight: float = 1.0) -> Floats:
    """`rows` scaled in place to a squared length of `weight`; a zero row stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows *= (weight**0.5 / np.maximum(length, TINY))[:, None]
    return rows


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
    named = SECTION in names
    left = (1 - EXTRAS * extras) * (1 - NAME_SHARE * named)
    rest = len(names) - 1 - named
    shares = {SECTION: (1 - EXTRAS * extras) * NAME_SHARE, names[0]: left / 2 if rest else left}
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
