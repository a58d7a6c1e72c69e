"""The control protocol: JSON lines over a Unix socket. docs/control.md describes it for users.

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

PROTOCOL = 1
"""The version of the protocol.

Increase this number if an older program can no longer read a request or an answer. Examples are a
field that was removed or renamed, and a new type of row.
"""
MAX_REQUEST_BYTES = 8 * 2**20
"""The largest size of a request line, in bytes. Such a line can contain 25,000 paths."""


Line = dict[str, Any]
"""A line of the protocol as decoded JSON. It has no exact type: each verb has other rows."""


def encode(line: Line) -> bytes:
    """Return a line of the protocol as bytes.

    The bytes are ASCII: a lone surrogate becomes an escape sequence. A file name that is not UTF-8
    contains lone surrogates, and UTF-8 cannot encode them.
    """
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def request_line(verb: str, arguments: dict[str, Any]) -> Line:
    """Return the line of the protocol for a request."""
    return {"verb": verb, "arguments": arguments, "protocol": PROTOCOL}


def message_line(message: Message[Any]) -> Line:
    """Return the line of the protocol for a message of a verb."""
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
    """Return the error that a line contains.

    If this program has no class for the kind of the error, the result is an ImgscoreError. The exit
    code is always the one in the line.
    """
    error = errors.of_kind(line.get("kind", ""), line["error"], line["remedy"])
    error.exit_code = line["exit"]
    return error


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """Yield a name for the path of a socket that fits into a socket address (107 bytes)."""
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
    """Return the process at the other end of a connection. The kernel provides these ids."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return Peer(*struct.unpack("3i", credentials))
