"""Build imgscore/heads/data/kernel.onnx, the graph that imgscore/heads/scorer.py runs.

`python tools/make_kernel_scorer.py [OUTPUT]`; needs `onnx`. A head's parameters are inputs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from imgscore.heads.scorer import MAIN_DIRECTIONS, MAX_ROW_CODE

TARGET = Path(__file__).parent.parent / "imgscore/heads/data/kernel.onnx"
OPSET = 17
IR_VERSION = 8
# Shapes: n rows of w numbers, r directions, l near nodes, m far nodes, a column for each head.
INPUTS = {
    "rows": (TensorProto.UINT8, ["n", "w"]),
    "directions": (TensorProto.INT8, ["w", "r"]),
    "direction_scale": (TensorProto.FLOAT, ["r"]),
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


def build() -> bytes:
    """The serialised graph. Each step() adds a node, and names its output first."""
    nodes = []

    def step(name: str, kind: str, *inputs: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))

    def product(rows: str, columns: str, scale: str) -> None:
        """rows · columns in int8, with each row scaled by its largest value."""
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

    # Project to the directions, and scale to unit length. Integer sums are exact in any order.
    step("sums", "MatMulInteger", "rows", "directions", "middle")
    step("numbers", "Cast", "sums", to=TensorProto.FLOAT)
    step("along", "Mul", "numbers", "direction_scale")
    step("length", "ReduceL2", "along", axes=[1])
    step("some_length", "Max", "length", "least")
    step("unit", "Div", "along", "some_length")
    # near · exp(sharpness · (cosine - 1)); only values along the main directions are large.
    step("main", "Slice", "unit", "main_start", "end", "columns")
    step("rest", "Slice", "unit", "start", "main_start", "columns")
    product("rest", "near_rest", "near_scale")
    step("main_cosine", "MatMul", "main", "near_main")
    step("cosine", "Add", "main_cosine", "rest_product")
    step("apart", "Sub", "cosine", "one")
    step("sharp", "Mul", "apart", "near_sharpness")
    step("likeness", "Exp", "sharp")
    step("near_odds", "MatMul", "likeness", "near")
    # far · softmax(sharpness · cosine).
    product("unit", "far_nodes", "far_scale")
    step("weight", "Softmax", "unit_product", axis=-1)
    step("far_odds", "MatMul", "weight", "far")
    step("both", "Add", "near_odds", "far_odds")
    step("odds", "Add", "both", "constant")
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "kernel",
            [value(name, *kind) for name, kind in INPUTS.items()],
            [value("odds", TensorProto.FLOAT, ["n", "heads"])],
            [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items()],
        ),
        producer_name="imgscore",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(build())
