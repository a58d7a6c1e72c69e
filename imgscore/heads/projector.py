"""Compute the feature vectors of many images with onnxruntime, several times as fast as with numpy.

This is the part of a score that does not depend on any label: all heads that are trained with the
same Features share it, and feature_cache.py stores it. scorer.py computes the other part.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.onnx_session import make_session
from imgscore.heads.arrays import BLOCK_ROWS, Floats, Half
from imgscore.heads.features import Features
from imgscore.heads.int8 import padded, quantised_columns, quantised_rows

if TYPE_CHECKING:
    import onnxruntime

# tools/make_kernel_scorer.py makes this file. The file contains only the steps of the computation.
# The parameters of the Features are inputs of these steps.
GRAPH = Path(__file__).parent / "data" / "projector.onnx"


class Projector:
    """A map from embeddings to unit rows float16 [n, r], with the product in int8.

    r is the number of directions. If there are few, zeros precede the values (see `int8.padded`).
    `width`: r, or the number of values with these zeros.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        directions, scale = quantised_columns(padded(features.directions, 1))
        self.width = directions.shape[1]
        self._parameters: dict[str, NDArray[Any]] = {
            "directions": directions,
            "direction_scale": scale,
        }

    def __call__(self, embeddings: Half, extras: Floats | None = None) -> Half:
        """Return the rows of embeddings float16 [n, d] and extras float32 [n, k].

        The function allocates memory for all n rows. Pass at most BLOCK_ROWS rows at a time.
        """
        codes = quantised_rows(self._features.scaled(embeddings, extras))
        return np.asarray(_session().run(["unit"], {"rows": codes, **self._parameters})[0])

    def rows(self, embeddings: Half, extras: Floats | None = None) -> Half:
        """Return the rows of any number of images. They are computed in blocks."""
        rows = np.empty((len(embeddings), self.width), np.float16)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            rows[block] = self(embeddings[block], None if extras is None else extras[block])
        return rows


@cache
def _session() -> onnxruntime.InferenceSession:
    return make_session(GRAPH)
