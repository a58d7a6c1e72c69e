"""Build the two graphs in imgscore/heads/data: projector.onnx and kernel.onnx.

imgscore/heads/projector.py and scorer.py run them. `python tools/make_kernel_scorer.py [FOLDER]`;
needs `onnx`. A head's parameters are inputs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from imgscore.heads.int8 import MAIN_DIRECTIONS, MAX_ROW_CODE

TARGET = Path(__file__).parent.parent / "imgscore/heads/data"
OPSET = 17
IR_VERSION = 8
# Shapes: n rows of w numbers, r directions, l near nodes, m far nodes, a column for each head.
PROJECTOR_INPUTS = {
    "rows": (TensorProto.UINT8, ["n", "w"]),
    "directions": (TensorProto.INT8, ["w", "r"]),
    "direction_scale": (TensorProto.FLOAT, ["r"]),
}
SCORER_INPUTS = {
    "unit": (TensorProto.FLOAT16, ["n", "r"]),
    "near_main": (TensorProto.FLOAT, [MAIN_DIRECTIONS, "l"]),
    "near_rest": (TensorProto.INT8, ["rest", "l"]),
    "near_scale": (TensorProto.FLOAT, ["l"]),
    "near_sharpness": (TensorProto.FLOAT, []),
    "near": (TensorProto.FLOAT, ["l", "heads"]),
    "far_nodes": (TensorProto.INT8, ["r", "m"]),
    "far_scale": (TensorProto.FLOAT, ["m"]),
    "far": (TensorProto.FLOAT, ["m", "heads"]),
    "constant": (TensorProto.FLOAT, ["heads"]),
}
CONSTANTS = {
    "middle": np.array(128, np.uint8),
    "one": np.array(1, np.float32),
    "most": np.array(MAX_ROW_CODE, np.float32),
    "start": np.array([0], np.int64),
    "main_start": np.array([-MAIN_DIRECTIONS], np.int64),
    "end": np.array([2**31], np.int64),
    "columns": np.array([1], np.int64),
    "least": np.array(1e-6, np.float32),
    "rounding": np.array(128.5, np.float32),
}


Shapes = Mapping[str, tuple[int, list[int | str]]]


class Graph:
    """The steps of a graph, in sequence."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []

    def step(self, name: str, kind: str, *inputs: str, **attributes: Any) -> None:
        """Add a node whose output is called `name`."""
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))

    def product(self, rows: str, columns: str, scale: str) -> None:
        """Add rows · columns in int8, with each row scaled by its largest value."""
        step = self.step
        step(f"{rows}_sizes", "Abs", rows)
        step(f"{rows}_largest", "ReduceMax", f"{rows}_sizes", axes=[1])
        step(f"{rows}_size", "Max", f"{rows}_largest", "least")
        step(f"{rows}_share", "Div", rows, f"{rows}_size")
        step(f"{rows}_stretched", "Mul", f"{rows}_share", "most")
        step(f"{rows}_positive", "Add", f"{rows}_stretched", "rounding")
        step(f"{rows}_bytes", "Cast", f"{rows}_positive", to=TensorProto.UINT8)
        step(f"{rows}_sums", "MatMulInteger", f"{rows}_bytes", columns, "middle")
        step(f"{rows}_numbers", "Cast", f"{rows}_sums", to=TensorProto.FLOAT)
        step(f"{rows}_worth", "Mul", f"{rows}_size", scale)
        step(f"{rows}_product", "Mul", f"{rows}_numbers", f"{rows}_worth")

    def serialised(self, name: str, inputs: Shapes, output: str, kind: int, shape: Any) -> bytes:
        """Return the graph with one output, as the content of a file."""
        value = helper.make_tensor_value_info
        used = {name for node in self._nodes for name in node.input}
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                name,
                [value(name, *kind) for name, kind in inputs.items()],
                [value(output, kind, shape)],
                [
                    numpy_helper.from_array(array, name)
                    for name, array in CONSTANTS.items()
                    if name in used
                ],
            ),
            producer_name="imgscore",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def build_projector() -> bytes:
    """Return the graph that projects rows to the directions, and scales them to unit length."""
    graph = Graph()
    step = graph.step
    # Integer sums are exact in any order.
    step("sums", "MatMulInteger", "rows", "directions", "middle")
    step("numbers", "Cast", "sums", to=TensorProto.FLOAT)
    step("along", "Mul", "numbers", "direction_scale")
    step("length", "ReduceL2", "along", axes=[1])
    step("some_length", "Max", "length", "least")
    step("exact", "Div", "along", "some_length")
    step("unit", "Cast", "exact", to=TensorProto.FLOAT16)
    return graph.serialised("projector", PROJECTOR_INPUTS, "unit", TensorProto.FLOAT16, ["n", "r"])


def build_scorer() -> bytes:
    """Return the graph that computes log-odds from unit rows."""
    graph = Graph()
    step, product = graph.step, graph.product
    step("wide", "Cast", "unit", to=TensorProto.FLOAT)
    # near · exp(sharpness · (cosine - 1)); only values along the main directions are large.
    step("main", "Slice", "wide", "main_start", "end", "columns")
    step("rest", "Slice", "wide", "start", "main_start", "columns")
    product("rest", "near_rest", "near_scale")
    step("main_cosine", "MatMul", "main", "near_main")
    step("cosine", "Add", "main_cosine", "rest_product")
    step("apart", "Sub", "cosine", "one")
    step("sharp", "Mul", "apart", "near_sharpness")
    step("likeness", "Exp", "sharp")
    step("near_odds", "MatMul", "likeness", "near")
    # far · softmax(sharpness · cosine).
    product("wide", "far_nodes", "far_scale")
    step("weight", "Softmax", "wide_product", axis=-1)
    step("far_odds", "MatMul", "weight", "far")
    step("both", "Add", "near_odds", "far_odds")
    step("odds", "Add", "both", "constant")
    return graph.serialised("kernel", SCORER_INPUTS, "odds", TensorProto.FLOAT, ["n", "heads"])


def build() -> dict[str, bytes]:
    """Return the content of each file, by name."""
    return {"projector.onnx": build_projector(), "kernel.onnx": build_scorer()}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.mkdir(parents=True, exist_ok=True)
    for name, data in build().items():
        (target / name).write_bytes(data)
