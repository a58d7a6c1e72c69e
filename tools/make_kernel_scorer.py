"""Build the two graphs in imgscore/heads/data: projector.onnx and kernel.onnx.

imgscore/heads/projector.py and scorer.py run them. `python tools/make_kernel_scorer.py [FOLDER]`;
needs `onnx`. The parameters of the projector are inputs; those of a head become constants (see
imgscore/heads/constants.py), so that kernel.onnx alone is not a valid model.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from imgscore.heads.constants import with_constants
from imgscore.heads.int8 import MAIN_DIRECTIONS, MAX_ROW_CODE

TARGET = Path(__file__).parent.parent / "imgscore/heads/data"
OPSET = 17
IR_VERSION = 8
Shapes = Mapping[str, tuple[int, list[int | str]]]
# Shapes: n rows of w numbers, r directions, a column for each head.
PROJECTOR_INPUTS: Shapes = {
    "rows": (TensorProto.UINT8, ["n", "w"]),
    "directions": (TensorProto.INT8, ["w", "r"]),
    "direction_scale": (TensorProto.FLOAT, ["r"]),
}
SCORER_INPUTS: Shapes = {"unit": (TensorProto.FLOAT16, ["n", "r"])}
# Constants of a head with one node, with which the graph is checked.
SCORER_EXAMPLE: Mapping[str, NDArray[Any]] = {
    "near_main": np.zeros((MAIN_DIRECTIONS, 1), np.float32),
    "near_rest": np.zeros((1, 1), np.int8),
    "near_scale": np.zeros(1, np.float32),
    "near_sharpness": np.zeros((), np.float32),
    "near": np.zeros((1, 2), np.float32),
    "far_nodes": np.zeros((MAIN_DIRECTIONS + 1, 1), np.int8),
    "far_scale": np.zeros(1, np.float32),
    "far": np.zeros((1, 2), np.float32),
    "constant": np.zeros(2, np.float32),
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

    def serialised(
        self,
        name: str,
        inputs: Shapes,
        output: str,
        kind: int,
        shape: Any,
        example: Mapping[str, NDArray[Any]],
    ) -> bytes:
        """Return the graph with one output, as the content of a file.

        `example`: constants that are not in the file, with which the graph is checked.
        """
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
        content = bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(with_constants(content, example), full_check=True)
        return content


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
    return graph.serialised(
        "projector", PROJECTOR_INPUTS, "unit", TensorProto.FLOAT16, ["n", "r"], {}
    )


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
    return graph.serialised(
        "kernel", SCORER_INPUTS, "odds", TensorProto.FLOAT, ["n", "heads"], SCORER_EXAMPLE
    )


def build() -> dict[str, bytes]:
    """Return the content of each file, by name."""
    return {"projector.onnx": build_projector(), "kernel.onnx": build_scorer()}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.mkdir(parents=True, exist_ok=True)
    for name, data in build().items():
        (target / name).write_bytes(data)
