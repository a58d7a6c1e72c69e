"""Embeddings made comparable: each section centred on the library, scaled, brought to unit length.

What is common to all of a person's images says nothing about taste, so centre and scale come
from the unlabelled background, not from the few labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Section
from imgscore.heads.base import Floats, Half

BLOCK = 1024
"""Rows read at once: a float32 block of 2,528 columns takes 10 MB and stays near the cache."""

TINY = 1e-6


@dataclass(frozen=True)
class Features:
    """The map from an embedding to a unit vector of the same width.

    spans: (start, stop) of each section. rooted: whether its square root is taken.
    weights: share of each section in the squared length; they sum to 1.
    centre, scale: float32 [d].
    """

    spans: tuple[tuple[int, int], ...]
    rooted: tuple[bool, ...]
    weights: tuple[float, ...]
    centre: Floats
    scale: Floats

    def __call__(self, embeddings: Half) -> Floats:
        """float32 [n, d] of unit rows, from float16 [n, d]. Holds all n: pass blocks."""
        values = np.array(embeddings, dtype=np.float32)
        for (start, stop), rooted, weight in zip(
            self.spans, self.rooted, self.weights, strict=True
        ):
            part = values[:, start:stop]
            if rooted:
                np.sqrt(np.maximum(part, 0, out=part), out=part)
            part -= self.centre[start:stop]
            part *= self.scale[start:stop]
            length = np.sqrt(np.einsum("ij,ij->i", part, part))
            part *= (np.sqrt(weight) / np.maximum(length, TINY))[:, None]
        return values

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able values, for saving."""
        values = {"spans": self.spans, "rooted": self.rooted, "weights": self.weights}
        return {"centre": self.centre, "scale": self.scale}, values

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Features:
        """What `state` described."""
        return cls(
            tuple((int(start), int(stop)) for start, stop in values["spans"]),
            tuple(bool(one) for one in values["rooted"]),
            tuple(float(one) for one in values["weights"]),
            arrays["centre"],
            arrays["scale"],
        )


def fit_features(sample: Half, sections: Sequence[Section] = ()) -> Features:
    """Features with centre and scale of `sample`, float16 [m, d].

    A section without negative values (averages after a ReLU) is square-rooted, which tames its
    long tail, and keeps its own scale: there small channels are noise. The others are standardised.
    The first section weighs as much as all others together.
    """
    width = sample.shape[1]
    spans = tuple((one.start, one.stop) for one in sections) or ((0, width),)
    rest = len(spans) - 1
    weights = (0.5, *[0.5 / rest] * rest) if rest else (1.0,)
    centre = np.zeros(width, np.float32)
    scale = np.ones(width, np.float32)
    rooted = []
    for start, stop in spans:
        part = sample[:, start:stop].astype(np.float32)
        root = bool((part >= 0).all()) and start == spans[0][0]
        if root:
            np.sqrt(part, out=part)
        centre[start:stop] = part.mean(axis=0)
        if not root:
            spread = part.std(axis=0)
            # a constant channel carries nothing: scale 0 silences it
            scale[start:stop] = np.where(spread > TINY, 1 / np.maximum(spread, TINY), 0)
        rooted.append(root)
    return Features(spans, tuple(rooted), weights, centre, scale)
