"""Compute the log-odds of many images with onnxruntime, a few times as fast as with numpy.

The largest products, with the directions and with the graph's nodes, are computed in int8. That
changes log-odds by hundredths (bench/LEARNING.md). Integer sums are exact, so that an image's score
depends neither on the other images of its block nor on the number of threads.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.onnx_session import make_session
from imgscore.heads.arrays import EPSILON, Floats, Half
from imgscore.heads.features import Features

if TYPE_CHECKING:
    import onnxruntime

# Built by tools/make_kernel_scorer.py. It has the steps only; a head's parameters are its inputs.
GRAPH = Path(__file__).parent / "data" / "kernel.onnx"
MAIN_DIRECTIONS = 96
"""Main directions whose part of the cosine is computed in float32: their values are large."""
MAX_ROW_CODE, MAX_PARAMETER_CODE = 127, 63
"""Largest int8 codes of image rows and of parameters. Parameters have 7 bits: with 8, CPUs without
VNNI saturate the sum of two products."""


class Scorer:
    """Maps embeddings to log-odds, with a head's parameters quantised once.

    nodes: float16 [N, r]. near, far, constant: as in KernelHead. near_sharpness, far_sharpness: of
    exp(near_sharpness · (cosine - 1)) and of softmax(far_sharpness · cosine).
    """

    def __init__(
        self,
        features: Features,
        nodes: Half,
        near: Floats,
        far: Floats | None,
        constant: Floats,
        near_sharpness: float,
        far_sharpness: float,
    ) -> None:
        self._features = features
        columns = _padded(nodes.T.astype(np.float32), 0)
        directions, direction_scale = _quantised_columns(_padded(features.directions, 1))
        near_rest, near_scale = _quantised_columns(columns[:-MAIN_DIRECTIONS, : len(near)])
        # Without a graph: one node that adds nothing.
        far_nodes, far_scale = _quantised_columns(columns if far is not None else columns[:, :1])
        self._parameters: dict[str, NDArray[Any]] = {
            "directions": directions,
            "direction_scale": direction_scale,
            "near_main": np.ascontiguousarray(columns[-MAIN_DIRECTIONS:, : len(near)]),
            "near_rest": near_rest,
            "near_scale": near_scale / np.float32(MAX_ROW_CODE),
            "near_sharpness": np.array(near_sharpness, np.float32),
            "near": near,
            "far_nodes": far_nodes,
            "far_scale": far_scale * np.float32(far_sharpness / MAX_ROW_CODE),
            "far": np.zeros((1, len(constant)), np.float32) if far is None else far,
            "constant": constant,
        }

    def __call__(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Log-odds float32 [n, 1 + folds] of embeddings float16 [n, d] and extras float32 [n, k].

        Allocates all n rows: pass at most BLOCK_ROWS at a time.
        """
        rows = _quantised_rows(self._features.scaled(embeddings, extras))
        return np.asarray(_session().run(["odds"], {"rows": rows, **self._parameters})[0])


def _quantised_rows(rows: Floats) -> NDArray[np.uint8]:
    """Rows float32 [n, w] as codes 128 ± MAX_ROW_CODE, each scaled by its largest value.

    Overwrites `rows`.
    """
    size = np.maximum(np.maximum(rows.max(axis=1), -rows.min(axis=1)), EPSILON)
    rows *= (MAX_ROW_CODE / size)[:, None]
    rows += 128.5
    codes = np.empty(rows.shape, np.uint8)
    np.copyto(codes, rows, casting="unsafe")
    return codes


def _padded(values: Floats, axis: int) -> Floats:
    """Prepend directions of zeros along `axis`, so that there are more than MAIN_DIRECTIONS."""
    missing = max(MAIN_DIRECTIONS + 1 - values.shape[axis], 0)
    return np.pad(values, [(missing, 0) if number == axis else (0, 0) for number in range(2)])


def _quantised_columns(columns: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Columns float32 [w, c] as int8 codes, and the value [c] of one code step in each column."""
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0), EPSILON) / MAX_PARAMETER_CODE
    return np.rint(columns / scale).astype(np.int8, order="C"), scale


@cache
def _session() -> onnxruntime.InferenceSession:
    return make_session(GRAPH)
