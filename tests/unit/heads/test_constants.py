"""Constants that are added to an ONNX model, as the package onnx reads them."""

import numpy as np
import pytest

from imgscore.heads import scorer
from imgscore.heads.constants import with_constants


def test_with_constants_adds_arrays_that_onnx_reads():
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    arrays = {
        "codes": np.arange(130 * 300, dtype=np.int8).reshape(130, 300),
        "scale": np.linspace(-1, 1, 7, dtype=np.float32),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "number": np.array(2.5, np.float32),
    }
    graph = scorer.GRAPH.read_bytes()
    steps = onnx.load_from_string(graph).graph
    added = onnx.load_from_string(with_constants(graph, arrays)).graph
    assert added.node == steps.node
    own = {constant.name for constant in steps.initializer}
    read = {
        constant.name: onnx.numpy_helper.to_array(constant)
        for constant in added.initializer
        if constant.name not in own
    }
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)
