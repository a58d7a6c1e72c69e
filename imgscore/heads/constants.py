"""Add constants to an ONNX model, without the package onnx.

A model is a message of Protocol Buffers. Two such messages one after the other are one message: a
reader adds the items of the second to the lists of the first (protobuf.dev, "Encoding"). So the
constants follow the model as a second message that contains only them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The numbers of fields in onnx.proto: of ModelProto, GraphProto and TensorProto.
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int8): 3}
"""The numbers of the types in onnx.proto."""
_BYTES = 2
"""The wire type of fields with a length. That of integers is 0."""


def with_constants(model: bytes, constants: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a model with these constants: arrays of float32 or int8, by name."""
    tensors = b"".join(
        _field(_INITIALIZER, _tensor(name, array)) for name, array in constants.items()
    )
    return model + _field(_GRAPH, tensors)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    dims = b"".join(_varint(_DIMS << 3) + _varint(size) for size in array.shape)
    data_type = _varint(_DATA_TYPE << 3) + _varint(_TYPES[array.dtype])
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return b"".join(
        (dims, data_type, _field(_NAME, name.encode()), _field(_RAW_DATA, little_endian.tobytes()))
    )


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return an integer with seven bits a byte. All bytes but the last one have bit 7 set."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
