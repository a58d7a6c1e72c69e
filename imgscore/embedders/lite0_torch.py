"""The built-in network in torch, for batches on an accelerator.

It computes the shipped int8 file: quantised values are integers in float32, which TF32 and
float32 represent exactly. The vectors are therefore those of onnxruntime on a CPU, except for
rounding. torch is an optional package: only functions import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import StagedEmbedder
from imgscore.embedders.lite0 import Lite0Inputs, read_model
from imgscore.embedders.onnx_graph import Graph, Node, read
from imgscore.embedders.torch_device import TorchNetwork, open_device

CODES = 255
"""The largest value of an 8-bit code."""


def load(device: str, model: Path = lite0_spec.MODEL) -> StagedEmbedder:
    """Load the built-in model on a device: "cpu", "cuda" or "rocm".

    Raises ImgscoreError if torch, the device or the model file is missing.
    """
    target = open_device(device)
    network = TorchNetwork(Lite0Module(read(read_model(model))), target, half=False)
    return StagedEmbedder(Lite0Inputs(), network)


class Quantised(NamedTuple):
    """A tensor of 8-bit codes. `codes`: float32, the codes minus their zero point."""

    codes: Any
    scale: Any


class Lite0Module:
    """The operations of the file, and its constants as torch tensors."""

    def __init__(self, graph: Graph, constants: Mapping[str, Any] | None = None) -> None:
        import torch

        self._graph = graph
        if constants is None:
            constants = {
                name: torch.tensor(value).float() for name, value in graph.constants.items()
            }
        self._constants = dict(constants)
        self._last = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
        """the index of the last operation that uses a value"""
        self._weights = {
            node.outputs[0]: self._dequantised_constant(node)
            for node in graph.nodes
            if node.kind == "DequantizeLinear" and node.inputs[0] in graph.constants
        }

    def to(self, device: Any, dtype: Any) -> Lite0Module:
        """Return a copy on another device."""
        constants = {name: tensor.to(device, dtype) for name, tensor in self._constants.items()}
        return Lite0Module(self._graph, constants)

    def __call__(self, pixels: Any) -> Any:
        """Return the outputs float32 [n, dim] of views uint8 [n, h, w, 3]."""
        (source,) = self._graph.inputs
        values: dict[str, Any] = {source: pixels, **self._weights}
        for index, node in enumerate(self._graph.nodes):
            if node.outputs[0] in self._weights:
                continue
            inputs = [
                values[name] if name in values else self._constants[name] for name in node.inputs
            ]
            values[node.outputs[0]] = OPERATIONS[node.kind](node, *inputs)
            for name in node.inputs:
                if self._last[name] == index and name not in self._weights:
                    values.pop(name, None)
        return values[self._graph.outputs[0]]

    def _dequantised_constant(self, node: Node) -> Quantised:
        codes, scale, *zero = (self._constants[name] for name in node.inputs)
        assert not any(tensor.any() for tensor in zero)
        return Quantised(codes, scale)


class Sum(NamedTuple):
    """The parts (codes, scale) of a sum of quantised tensors. The sum itself is not quantised
    yet."""

    parts: tuple[Quantised, ...]


def _plain(value: Any) -> Any:
    """Return the numbers of a tensor that may be quantised."""
    return value.codes * value.scale if isinstance(value, Quantised) else value


def _convolution(node: Node, image: Quantised, weight: Quantised, bias: Quantised) -> Sum:
    """Convolve codes. Integers are exact in TF32, and so are their sums up to 2²⁴.

    The scale of the bias is the product of the other two scales.
    """
    from torch.nn import functional

    attributes: Mapping[str, Any] = node.attributes
    stride = attributes["strides"]
    top, left, bottom, right = attributes["pads"]
    codes = image.codes
    groups = attributes.get("group", 1)
    if any((top, left, bottom, right)):
        codes = functional.pad(codes, (left, right, top, bottom))
    if groups > 1:  # torch has its own kernel for a depthwise convolution
        sums = functional.conv2d(codes, weight.codes, bias.codes, stride=stride, groups=groups)
    else:
        sums = _product(codes, weight.codes, bias.codes, stride)
    return Sum((Quantised(sums, (image.scale * weight.scale).view(1, -1, 1, 1)),))


def _product(codes: Any, weight: Any, bias: Any, stride: list[int]) -> Any:
    """Return a convolution without padding, computed as a product of matrices."""
    import torch
    from torch.nn import functional

    kernel = weight.shape[2:]
    height, width = (
        (side - length) // step + 1
        for side, length, step in zip(codes.shape[2:], kernel, stride, strict=True)
    )
    if tuple(kernel) == (1, 1):
        columns = codes.flatten(2)
    else:
        columns = functional.unfold(codes, tuple(kernel), stride=stride)
    matrices = weight.flatten(1).expand(len(codes), -1, -1)
    return torch.baddbmm(bias[:, None], matrices, columns).unflatten(2, (height, width))


def _add(_node: Node, left: Quantised, right: Quantised) -> Sum:
    return Sum((left, right))


def _quantise(_node: Node, value: Any, scale: Any, zero: Any) -> Quantised:
    """Quantise numbers. The order of the multiplications is that of onnxruntime.

    A different rounding of a few codes would change the later layers, and the cosine between the
    vectors would be .9998 instead of .99999.
    """
    if isinstance(value, Sum):
        first, *others = value.parts
        numbers = first.codes * (first.scale / scale)
        for part in others:
            numbers += part.codes * (part.scale / scale)
    else:
        numbers = value / scale
    return Quantised(numbers.round_().clamp_(min=-zero, max=CODES - zero), scale)


def _cast(_node: Node, value: Any) -> Any:
    return value.float()


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": _add,
    "Cast": _cast,
    "Concat": lambda _, *parts: __import__("torch").cat(parts, dim=1),
    "Conv": _convolution,
    "DequantizeLinear": lambda _, value, _scale, _zero: value,
    "Flatten": lambda _, value: value.flatten(1),
    "GlobalAveragePool": lambda _, value: _plain(value).mean((2, 3), keepdim=True),
    "Mul": lambda _, left, right: _plain(left) * _plain(right),
    "QuantizeLinear": _quantise,
    "Sqrt": lambda _, value: value.sqrt(),
    "Sub": lambda _, left, right: _plain(left) - _plain(right),
    "Transpose": lambda node, value: value.permute(node.attributes["perm"]),
}
"""The operations of the file, by their names in ONNX."""
