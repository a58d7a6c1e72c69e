"""The log-odds of many images at once, by onnxruntime: a few times as fast as numpy.

What costs most, the products with the main directions and with the graph's nodes, is done in whole
numbers. That moves log-odds by hundredths (bench/LEARNING.md); the sums are exact, so that an
image's score depends neither on its neighbours in a block nor on how the work is divided.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.onnx_session import make_session
from imgscore.heads.arrays import TINY, Floats, Half
from imgscore.heads.features import Features

if TYPE_CHECKING:
    import onnxruntime

# Built by tools/make_kernel_scorer.py: the steps only; what a head has learned are its inputs.
GRAPH = Path(__file__).parent / "data" / "kernel.onnx"
MAIN = 96
"""Main directions along which cosines are taken in full: there the large numbers are."""
MOST, MAX_LEARNED = 127, 63
"""Seven bits on one side: with eight, processors without VNNI cut off the sum of two products."""


class Scorer:
    """The way from embeddings to log-odds, with all that is the same for every image ready.

    nodes: float16 [N, r]; near, far, constant as of KernelHead; near_sharpness and far_sharpness:
    of exp(near_sharpness · (cosine - 1)) and of softmax(far_sharpness · cosine).
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
        columns = _along(nodes.T.astype(np.float32), 0)
        directions, direction_scale = _whole(_along(features.directions, 1))
        near_rest, near_scale = _whole(columns[:-MAIN, : len(near)])
        # without a graph: one node that adds nothing
        far_nodes, far_scale = _whole(columns if far is not None else columns[:, :1])
        self._learned: dict[str, NDArray[Any]] = {
            "directions": directions,
            "direction_scale": direction_scale,
            "near_main": np.ascontiguousarray(columns[-MAIN:, : len(near)]),
            "near_rest": near_rest,
            "near_scale": near_scale / np.float32(MOST),
            "near_sharpness": np.array(near_sharpness, np.float32),
            "near": near,
            "far_nodes": far_nodes,
            "far_scale": far_scale * np.float32(far_sharpness / MOST),
            "far": np.zeros((1, len(constant)), np.float32) if far is None else far,
            "constant": constant,
        }

    def __call__(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """float32 [n, 1 + folds] of float16 [n, d] and float32 [n, k]. Holds all n: pass blocks."""
        rows = _bytes(self._features.scaled(embeddings, extras))
        return np.asarray(_session().run(["odds"], {"rows": rows, **self._learned})[0])


def _bytes(rows: Floats) -> NDArray[np.uint8]:
    """float32 [n, w] in eight bits about 128, each row by its largest; `rows` is used up."""
    size = np.maximum(np.maximum(rows.max(axis=1), -rows.min(axis=1)), TINY)
    rows *= (MOST / size)[:, None]
    rows += 128.5
    found = np.empty(rows.shape, np.uint8)
    np.copyto(found, rows, casting="unsafe")
    return found


def _along(values: Floats, axis: int) -> Floats:
    """`values` with directions of zeros before the others, so that there are more than MAIN."""
    missing = max(MAIN + 1 - values.shape[axis], 0)
    return np.pad(values, [(missing, 0) if one == axis else (0, 0) for one in range(2)])


def _whole(columns: Floats) -> tuple[NDArray[np.int8], Floats]:
    """float32 [w, c] as whole numbers, and what one of each column is worth [c]."""
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0), TINY) / MAX_LEARNED
    return np.rint(columns / scale).astype(np.int8, order="C"), scale


@cache
def _session() -> onnxruntime.InferenceSession:
    return make_session(GRAPH)
