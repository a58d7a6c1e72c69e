"""Builds imgscore/heads/data/kernel.onnx, the products of imgscore/heads/scorer.py.

`python tools/make_kernel_scorer.py [OUTPUT]`; needs `onnx`. What a head has learned are its inputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TARGET = Path(__file__).parent.parent / "imgscore/heads/data/kernel.onnx"
OPSET = 17
IR_VERSION = 8
# n rows of w numbers, r directions, l near nodes, m far nodes, one column a head.
INPUTS = {
    "rows": (TensorProto.UINT8, ["n", "w"]),
    "directions": (TensorProto.INT8, ["w", "r"]),
    "direction_scale": (TensorProto.FLOAT, ["r"]),
    "near_nodes": (TensorProto.FLOAT, ["r", "l"]),
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
    "most": np.array(127, np.float32),
    "least": np.array(1e-6, np.float32),
    "rounding": np.array(128.5, np.float32),
}


def build() -> bytes:
    """The graph, step by step; each line gives what its first word names."""
    nodes = []

    def step(name: str, kind: str, *inputs: str, **attributes: int) -> None:
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))

    # unit rows along the main directions; sums of whole numbers are exact in any order
    step("sums", "MatMulInteger", "rows", "directions", "middle")
    step("numbers", "Cast", "sums", to=TensorProto.FLOAT)
    step("along", "Mul", "numbers", "direction_scale")
    step("length", "ReduceL2", "along", axes=[1])
    step("some_length", "Max", "length", "least")
    step("unit", "Div", "along", "some_length")
    # near · exp(sharpness · (cosine - 1))
    step("cosine", "MatMul", "unit", "near_nodes")
    step("apart", "Sub", "cosine", "one")
    step("sharp", "Mul", "apart", "near_sharpness")
    step("likeness", "Exp", "sharp")
    step("near_odds", "MatMul", "likeness", "near")
    # far · softmax(scale · cosine), the cosines again in whole numbers
    step("sizes", "Abs", "unit")
    step("size", "ReduceMax", "sizes", axes=[1])
    step("some_size", "Max", "size", "least")
    step("share", "Div", "unit", "some_size")
    step("stretched", "Mul", "share", "most")
    step("positive", "Add", "stretched", "rounding")
    step("bytes", "Cast", "positive", to=TensorProto.UINT8)
    step("far_sums", "MatMulInteger", "bytes", "far_nodes", "middle")
    step("far_numbers", "Cast", "far_sums", to=TensorProto.FLOAT)
    step("far_unit", "Mul", "some_size", "far_scale")
    step("far_sharp", "Mul", "far_numbers", "far_unit")
    step("weight", "Softmax", "far_sharp", axis=-1)
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
