"""Embeddings made comparable: each section centred on the library, scaled, brought to unit length.

What is common to all of a person's images says nothing about taste, so centre, scale and main
directions come from the unlabelled background, not from the few labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import UsageError
from imgscore.heads.arrays import BLOCK, Floats, Half, unit, widen

EXTRAS = 0.1
"""Share of the extras in the squared length."""
FARTHEST = 3.0
"""Standard deviations at which an extra is clipped: one odd file must not fill its section."""


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
