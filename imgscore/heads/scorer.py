"""Compute the log-odds of many images with onnxruntime, a few times as fast as with numpy.

The two largest matrix products are computed in int8: the product with the directions and the
product with the nodes of the graph. With int8 instead of float32, log-odds change by hundredths
(bench/LEARNING.md). Integer sums are exact. The score of an image is therefore independent of the
other images in its block and of the number of threads.
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

# tools/make_kernel_scorer.py makes this file. The file contains only the steps of the computation.
# The parameters of a head are inputs of these steps.
GRAPH = Path(__file__).parent / "data" / "kernel.onnx"
MAIN_DIRECTIONS = 96
"""The number of main directions along which the similarity is computed in float32. The values along
these directions are the largest, and int8 is less exact."""
MAX_ROW_CODE, MAX_PARAMETER_CODE = 127, 63
"""The largest int8 code of an image row, and the largest int8 code of a parameter. Parameters have
only 7 bits. With 8 bits, the sum of two products would saturate on CPUs without VNNI."""


class Scorer:
    """A map from embeddings to log-odds.

    The constructor quantises the parameters of the head once.

    `nodes`: float16 [N, r].
    `near`, `far`, `constant`: see KernelHead.
    `near_sharpness`: the factor in exp(near_sharpness · (cosine - 1)).
    `far_sharpness`: the factor in softmax(far_sharpness · cosine).
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
        # If there is no graph, use one node that adds nothing to the log-odds.
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
        """Return log-odds float32 [n, 1 + folds] of n images.

        `embeddings`: float16 [n, d].
        `extras`: float32 [n, k], or None.

        The function allocates memory for all n rows. Pass at most BLOCK_ROWS rows at a time.
        """
        rows = _quantised_rows(self._features.scaled(embeddings, extras))
        return np.asarray(_session().run(["odds"], {"rows": rows, **self._parameters})[0])


def _quantised_rows(rows: Floats) -> NDArray[np.uint8]:
    """Return rows float32 [n, w] as uint8 codes from 128 - MAX_ROW_CODE to 128 + MAX_ROW_CODE.

    Each row is scaled by its largest absolute value. The function overwrites `rows`.
    """
    size = np.maximum(np.maximum(rows.max(axis=1), -rows.min(axis=1)), EPSILON)
    rows *= (MAX_ROW_CODE / size)[:, None]
    rows += 128.5
    codes = np.empty(rows.shape, np.uint8)
    np.copyto(codes, rows, casting="unsafe")
    return codes


def _padded(values: Floats, axis: int) -> Floats:
    """Prepend zeros along `axis`, so that there are more than MAIN_DIRECTIONS directions."""
    missing = max(MAIN_DIRECTIONS + 1 - values.shape[axis], 0)
    return np.pad(values, [(missing, 0) if number == axis else (0, 0) for number in range(2)])


def _quantised_columns(columns: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return columns float32 [w, c] as int8 codes, and the step between two codes.

    There is one step for each column, as float32 [c].
    """
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0), EPSILON) / MAX_PARAMETER_CODE
    return np.rint(columns / scale).astype(np.int8, order="C"), scale


@cache
def _session() -> onnxruntime.InferenceSession:
    return make_session(GRAPH)
