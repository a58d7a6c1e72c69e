"""Map embeddings to comparable unit vectors: centre and scale each section, then project.

Centre, scale and directions are fitted to the images of the library (see `library.py`), not to the
few labelled images. The properties that all images of a person share are thus removed, because they
contain no information about taste.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import UsageError
from imgscore.heads.arrays import BLOCK_ROWS, Floats, Half, unit, widen

EXTRAS_SHARE = 0.1
"""The share of the extras (numbers that are computed from traits) in the squared length of a
feature vector."""
MAX_DEVIATIONS = 3.0
"""The largest absolute value of an extra (a number that is computed from traits), in standard
deviations. Larger values are clipped, so that no outlier dominates the extras."""


@dataclass(frozen=True)
class Features:
    """The map from an embedding [d] and extras [k] to a unit vector [r].

    `spans`: the start and stop column of each section (named part) of the embedding.
    `rooted`: for each section, True if the square root of its values is computed.
    `weights`: the share of each section in the squared length. The sum of the weights is 1 -
    EXTRAS_SHARE if k > 0, else 1.
    `centre`, `scale`: float32 [d]. The centre is subtracted from the values. The difference is
    multiplied by the scale, but not in rooted sections.
    `extras_centre`, `extras_scale`: float32 [k], the centre and the scale of the extras.
    `directions`: float32 [d + k + w, r], orthonormal columns in ascending order of variance. The
    main direction is the last column.
    `name_scale`: float32 [w], the scale of each column of the vectors of file names (see
    `names.py`). w is 0 if file names do not count.
    """

    spans: tuple[tuple[int, int], ...]
    rooted: tuple[bool, ...]
    weights: tuple[float, ...]
    centre: Floats
    scale: Floats
    extras_centre: Floats
    extras_scale: Floats
    directions: Floats
    name_scale: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def __call__(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Return unit rows float32 [n, r] for embeddings float16 [n, d] and extras.

        `extras`: float32 [n, k], or [n, k + w] with the vectors of the file names in the last w
        columns. Extras that are NaN or missing are replaced by the library's mean. Missing vectors
        of names are zero. Further columns are not used.

        Raises UsageError if the width of the embeddings is not d.
        """
        return self.unit_rows(self.projected(embeddings), extras)

    def projected(self, embeddings: Half) -> Floats:
        """Return rows float32 [n, r] for embeddings float16 [n, d], without extras and names.

        This is the slow part of `__call__`: `unit_rows` then adds the extras.
        """
        rows = np.empty((len(embeddings), self.directions.shape[1]), np.float32)
        directions = self.directions[: len(self.centre)]
        for start in range(0, len(embeddings), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            values = self.scaled(embeddings[block])[:, : len(self.centre)]
            rows[block] = values @ directions
        return rows

    def unit_rows(self, projected: Floats, extras: Floats | None = None) -> Floats:
        """Return the unit rows of `__call__` from the result of `projected`."""
        rows = projected.copy()
        if extras is not None:
            directions = self.directions[len(self.centre) :]
            for start in range(0, len(rows), BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                values = np.zeros((len(rows[block]), len(directions)), np.float32)
                self._add_extras(extras[block], values)
                rows[block] += values @ directions
        return unit(rows)

    def scaled(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Return rows float32 [n, d + k + w], which `__call__` then projects on `directions`.

        Without the columns of the names, the rows have unit length.

        The function allocates memory for all n rows. Pass at most BLOCK_ROWS rows at a time.
        """
        width = len(self.centre)
        if embeddings.shape[1] != width:
            raise UsageError(
                f"this head scores embeddings of {width} numbers, not {embeddings.shape[1]}",
                "use the embedder that the head was trained with, or train again",
            )
        values = np.empty((len(embeddings), len(self.directions)), np.float32)
        values[:, width:] = 0
        widen(embeddings, values[:, :width])
        for (start, stop), rooted in zip(self.spans, self.rooted, strict=True):
            if rooted:
                section = values[:, start:stop]
                np.sqrt(np.maximum(section, 0, out=section), out=section)
        values[:, :width] -= self.centre
        for (start, stop), rooted, weight in zip(
            self.spans, self.rooted, self.weights, strict=True
        ):
            section = values[:, start:stop]
            if not rooted:
                section *= self.scale[start:stop]
            unit(section, weight)
        if extras is not None:
            self._add_extras(extras, values[:, width:])
        return values

    def _add_extras(self, extras: Floats, values: Floats) -> None:
        """Write scaled extras and names to `values` [n, k + w], which must be zero."""
        extras_width, names_width = len(self.extras_centre), len(self.name_scale)
        if extras_width:
            section = values[:, :extras_width]
            section += (extras[:, :extras_width] - self.extras_centre) * self.extras_scale
            section[np.isnan(section)] = 0
            np.clip(section, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=section)
            unit(section, EXTRAS_SHARE)
        if names_width and extras.shape[1] >= extras_width + names_width:
            names = extras[:, extras_width : extras_width + names_width]
            np.multiply(names, self.name_scale, out=values[:, extras_width:])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return arrays and JSON-able values from which `restore` makes equal Features."""
        arrays: dict[str, NDArray[Any]] = {
            "centre": self.centre,
            "scale": self.scale,
            "extras_centre": self.extras_centre,
            "extras_scale": self.extras_scale,
            "directions": self.directions,
            "name_scale": self.name_scale,
        }
        return arrays, {"spans": self.spans, "rooted": self.rooted, "weights": self.weights}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Features:
        """Return the Features from which `state` made `arrays` and `values`.

        Raises ValueError if the shapes or the sections do not fit.
        """
        features = cls(
            tuple((int(start), int(stop)) for start, stop in values["spans"]),
            tuple(bool(rooted) for rooted in values["rooted"]),
            tuple(float(weight) for weight in values["weights"]),
            arrays["centre"],
            arrays["scale"],
            arrays["extras_centre"],
            arrays["extras_scale"],
            arrays["directions"],
            arrays.get("name_scale", np.empty(0, np.float32)),
        )
        features._check()
        return features

    def _check(self) -> None:
        width, extras_width = self.centre.size, self.extras_centre.size
        if self.centre.shape != (width,) or self.scale.shape != (width,) or not width:
            raise ValueError("centre and scale have no common width")
        if not self.extras_centre.shape == self.extras_scale.shape == (extras_width,):
            raise ValueError("extras_centre and extras_scale have no common width")
        if self.name_scale.ndim != 1:
            raise ValueError("name_scale is no row of numbers")
        total = width + extras_width + self.name_scale.size
        if self.directions.ndim != 2 or self.directions.shape[0] != total:
            raise ValueError("the directions do not fit the width")
        if not self.directions.shape[1]:
            raise ValueError("there are no directions")
        columns = [column for span in self.spans for column in span]
        if columns != sorted(columns) or not columns or columns[0] < 0 or columns[-1] > width:
            raise ValueError("the sections do not lie in the embedding")
        if not len(self.spans) == len(self.rooted) == len(self.weights):
            raise ValueError("the sections have no common number")
        if not all(0 <= weight <= 1 for weight in self.weights):
            raise ValueError("the weight of a section is no share")
