"""Encode messages as msgpack, each with its length before it, and decode them.

This module imports no large libraries.
"""

import os
import struct
from typing import Any, BinaryIO

import msgspec

from imgscore.workers.messages import Answer, OwnTask, Task, WrongAnswerError
from imgscore.workers.queries import AnyQuery

_length = struct.Struct("<I")
MAX_ANSWER_BYTES = 1 << 30
"""The largest size of an answer in bytes. The timeline of a million files has about 100 MB."""

_encoder = msgspec.msgpack.Encoder()
_tasks: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(OwnTask | AnyQuery)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Task | Answer) -> bytes:
    """Encode a message as bytes that begin with its length."""
    body = _encoder.encode(message)
    return _length.pack(len(body)) + body


def read_task(stream: BinaryIO) -> Task | None:
    """Wait for the next task in the stream and return it. Return None at the end of the stream."""
    length = stream.read(_length.size)
    if len(length) < _length.size:
        return None
    size: int = _length.unpack(length)[0]
    body = stream.read(size)
    task: Task | None = _tasks.decode(body) if len(body) == size else None
    return task


def read_task_from(descriptor: int) -> Task | None:
    """Wait for the next task at a descriptor and return it. Return None at its end.

    No byte after the task is read, so `select` reports whether another task has arrived.
    """
    length = _read_exactly(descriptor, _length.size)
    if length is None:
        return None
    body = _read_exactly(descriptor, _length.unpack(length)[0])
    task: Task | None = None if body is None else _tasks.decode(body)
    return task


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            return None
        data += part
    return data


def take_answers(buffer: bytearray) -> list[Answer]:
    """Remove and decode all complete messages in `buffer`. Raises WrongAnswerError."""
    answers: list[Answer] = []
    start = 0
    try:
        with memoryview(buffer) as view:
            while len(view) - start >= _length.size:
                size = _length.unpack_from(view, start)[0]
                if size > MAX_ANSWER_BYTES:
                    raise ValueError(f"{size} bytes are too many")
                end = start + _length.size + size
                if len(view) < end:
                    break
                with view[start + _length.size : end] as body:
                    answers.append(_answers.decode(body))
                start = end
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise WrongAnswerError(f"sends bytes that are not an answer: {error}") from None
    del buffer[:start]
    return answers
