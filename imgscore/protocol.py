"""The control protocol: JSON lines over a Unix socket. docs/control.md describes it for users.

A request is one line, {"verb": …, "arguments": {…}, "protocol": …}. The answer is lines of
{"result": {…}} and {"progress": {…}}, and a last line that is {"done": true} or
{"error": …, "remedy": …, "kind": …, "exit": …}.
"""

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from imgscore import errors
from imgscore.errors import ImgscoreError
from imgscore.messages import Message, Progress, Result

PROTOCOL = 1
"""The version of the protocol. Raise it when an older program cannot read a request or an answer
any more: a removed or renamed field, or a new kind of row."""
MAX_REQUEST_BYTES = 8 * 2**20
"""The longest request line, in bytes: 25,000 paths fit."""


Line = dict[str, Any]
"""A line of the protocol, as JSON has it: rows of every verb, so it has no type of its own."""


def encode(line: Line) -> bytes:
    """A line of the protocol. ASCII only, so that a file name that is not UTF-8 survives as lone
    surrogates."""
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def request_line(verb: str, arguments: dict[str, Any]) -> Line:
    """A request as a line of the protocol."""
    return {"verb": verb, "arguments": arguments, "protocol": PROTOCOL}


def message_line(message: Message[Any]) -> Line:
    """A verb's message as a line of the protocol."""
    match message:
        case Result(row):
            return {"result": msgspec.to_builtins(row)}
        case Progress(what, done, total):
            return {"progress": {"what": what, "done": done, "total": total}}


def error_line(error: ImgscoreError) -> Line:
    """An error as the last line of an answer."""
    return {
        "error": error.message,
        "remedy": error.remedy,
        "kind": errors.kind_of(error),
        "exit": error.exit_code,
    }


def error_in(line: Line) -> ImgscoreError:
    """The error that a line reports. One of a kind that this program lacks keeps its exit code."""
    error = errors.of_kind(line.get("kind", ""), line["error"], line["remedy"])
    error.exit_code = line["exit"]
    return error


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for a socket's path that fits into the 107 bytes of a socket address."""
    if len(os.fsencode(path)) <= 100:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Peer(NamedTuple):
    """The process at the other end of a connection."""

    pid: int
    uid: int
    gid: int


def peer(connection: socket.socket) -> Peer:
    """The process at the other end, as the kernel reports it."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return Peer(*struct.unpack("3i", credentials))
