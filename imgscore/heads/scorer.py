"""Compute the log-odds of many images with onnxruntime, a few times as fast as with numpy.

The inputs are the rows that projector.py computes. The largest product, with the nodes of the
graph, is computed in int8 (see int8.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.onnx_session import make_session
from imgscore.heads.arrays import Floats, Half
from imgscore.heads.constants import with_constants
from imgscore.heads.int8 import MAIN_DIRECTIONS, MAX_ROW_CODE, padded, quantised_columns

# tools/make_kernel_scorer.py makes this file. The file contains only the steps of the computation.
# The parameters of a head become constants of these steps: onnxruntime packs constants for the CPU
# once, not in each call. On a CPU with AMX, the largest product then takes a third of the time.
GRAPH = Path(__file__).parent / "data" / "kernel.onnx"


class Scorer:
    """A map from unit rows to log-odds.

    The constructor quantises the parameters of the head once, and lets onnxruntime pack them.

    `nodes`: float16 [N, r].
    `near`, `far`, `constant`: see KernelHead.
    `near_sharpness`: the factor in exp(near_sharpness · (cosine - 1)).
    `far_sharpness`: the factor in softmax(far_sharpness · cosine).
    """

    def __init__(
        self,
        nodes: Half,
        near: Floats,
        far: Floats | None,
        constant: Floats,
        near_sharpness: float,
        far_sharpness: float,
    ) -> None:
        columns = padded(nodes.T.astype(np.float32), 0)
        near_rest, near_scale = quantised_columns(columns[:-MAIN_DIRECTIONS, : len(near)])
        # If there is no graph, use one node that adds nothing to the log-odds.
        far_nodes, far_scale = quantised_columns(columns if far is not None else columns[:, :1])
        parameters: dict[str, NDArray[Any]] = {
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
        self._session = make_session(with_constants(GRAPH.read_bytes(), parameters))

    def __call__(self, rows: Half) -> Floats:
        """Return log-odds float32 [n, 1 + folds] of n images from their unit rows float16 [n, r].

        The function allocates memory for all n rows. Pass at most BLOCK_ROWS rows at a time.
        """
        return np.asarray(self._session.run(["odds"], {"unit": rows})[0])
