"""The control protocol: how a client and the daemon exchange JSON lines over a Unix socket.

docs/control.md describes the protocol for users.

A request is one line: {"verb": …, "arguments": {…}, "protocol": …}.

An answer is a list of lines. Each line is {"result": {…}} or {"progress": {…}}. The last line is
{"done": true} or {"error": …, "remedy": …, "kind": …, "exit": …}.
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

PROTOCOL = 2
"""The version of the protocol.

Increase this number if an older program can no longer read a request or an answer. Examples are a
field that was removed or renamed, a new type of row, and another format of the file with the data
of a page (`imgscore.report.data`), which is a part of the answer to `report`.
"""
MAX_REQUEST_BYTES = 8 * 2**20
"""The largest size of a request line, in bytes. 8 MiB are enough for 25,000 paths."""


Line = dict[str, Any]
"""A line of the protocol as decoded JSON. Each verb has its own rows, so the type is not exact."""


def encode(line: Line) -> bytes:
    """Convert a line of the protocol to bytes.

    A file name that is not UTF-8 contains lone surrogates, which UTF-8 cannot encode. The bytes are
    therefore ASCII, in which a lone surrogate is written as an escape sequence.
    """
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def request_line(verb: str, arguments: dict[str, Any]) -> Line:
    """Return the line of the protocol for a request."""
    return {"verb": verb, "arguments": arguments, "protocol": PROTOCOL}


def message_line(message: Message[Any]) -> Line:
    """Return the line of an answer that contains a message of a verb."""
    match message:
        case Result(row):
            return {"result": msgspec.to_builtins(row)}
        case Progress(what, done, total):
            return {"progress": {"what": what, "done": done, "total": total}}


def error_line(error: ImgscoreError) -> Line:
    """Return the last line of an answer that ends with an error."""
    return {
        "error": error.message,
        "remedy": error.remedy,
        "kind": errors.kind_of(error),
        "exit": error.exit_code,
    }


def error_in(line: Line) -> ImgscoreError:
    """Return the error that the last line of an answer contains.

    If this program has no class for the kind of the error, the result is an ImgscoreError. The exit
    code of the error is the one in the line.
    """
    error = errors.of_kind(line.get("kind", ""), line["error"], line["remedy"])
    error.exit_code = line["exit"]
    return error


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """Yield a short name for a socket path, because a socket address has at most 107 bytes."""
    if len(os.fsencode(path)) <= 100:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Peer(NamedTuple):
    """The ids of the process at the other end of a connection."""

    pid: int
    uid: int
    gid: int


def peer(connection: socket.socket) -> Peer:
    """Return the ids of the process at the other end of a connection. They come from the kernel."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return Peer(*struct.unpack("3i", credentials))
