"""Read the nodes and the weights of an ONNX file, without the `onnx` package.

An ONNX file is a protobuf message. This module reads only the fields that the built-in model has.
The numbers of the fields are in onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# The types of tensors, from TensorProto.DataType.
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}


class Node(NamedTuple):
    """One operation. The names of inputs may be empty, which means a missing input."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, int | float | list[int]]


class Graph(NamedTuple):
    """The operations in the order of computation, and the constants by name."""

    nodes: list[Node]
    constants: dict[str, NDArray[Any]]
    inputs: list[str]
    outputs: list[str]


def read(model: bytes) -> Graph:
    """Return the graph of an ONNX file. Raises ValueError, KeyError or IndexError otherwise."""
    (graph,) = (value for number, value in _fields(model) if number == 7)
    nodes, constants = [], {}
    inputs: list[str] = []
    outputs: list[str] = []
    for number, value in _fields(graph):
        match number:
            case 1:
                nodes.append(_node(value))
            case 5:
                name, tensor = _tensor(value)
                constants[name] = tensor
            case 11:
                inputs.append(_text(value, 1))
            case 12:
                outputs.append(_text(value, 1))
    return Graph(nodes, constants, inputs, outputs)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message as (number, value). The value is an int or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            yield number, data[position : position + size]
            position += size
        elif kind == _BYTES:
            size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("the file is cut off")
            yield number, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {kind}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _integers(number: int, data: bytes, wanted: int) -> list[int]:
    """Return a field of repeated integers, which may be packed into bytes."""
    values: list[int] = []
    for field, value in _fields(data):
        if field != wanted:
            continue
        if isinstance(value, int):
            values.append(value)
            continue
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            values.append(item)
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _text(data: bytes, wanted: int) -> str:
    text: str = next(value.decode() for number, value in _fields(data) if number == wanted)
    return text


def _node(data: bytes) -> Node:
    inputs, outputs, attributes, kind = [], [], {}, ""
    for number, value in _fields(data):
        match number:
            case 1:
                inputs.append(value.decode())
            case 2:
                outputs.append(value.decode())
            case 4:
                kind = value.decode()
            case 5:
                attributes[_text(value, 1)] = _attribute(value)
    return Node(kind, inputs, outputs, attributes)


def _attribute(data: bytes) -> int | float | list[int]:
    """Return the value of an attribute: an integer, a number or a list of integers."""
    for number, value in _fields(data):
        if number == 2:
            return float(struct.unpack("<f", value)[0])
        if number == 3:
            return int(value) - (1 << 64) if value >> 63 else int(value)
    return _integers(0, data, 8)


def _tensor(data: bytes) -> tuple[str, NDArray[Any]]:
    kind, raw = 0, b""
    for number, value in _fields(data):
        if number == 2:
            kind = value
        elif number == 9:
            raw = value
    if not raw:
        return _text(data, 8), _from_fields(data, kind)
    return _text(data, 8), np.frombuffer(raw, _TYPES[kind]).reshape(_integers(0, data, 1))


def _from_fields(data: bytes, kind: int) -> NDArray[Any]:
    """Return a small tensor whose values are in typed fields instead of bytes."""
    shape = _integers(0, data, 1)
    if kind == 1:
        packed = b"".join(value for number, value in _fields(data) if number == 4)
        return np.frombuffer(packed, np.float32).reshape(shape)
    return np.array(_integers(0, data, 7 if kind == 7 else 5), _TYPES[kind]).reshape(shape)
