"""The control protocol and its client: JSON lines over a Unix socket.

A request is one line, {"verb": …, "arguments": {…}}; with a "protocol", it is refused by a daemon
that speaks another, as where one was upgraded while the other ran. The answer is lines of
{"result": {…}} and {"progress": {…}}, and at last {"done": true} or
{"error": …, "remedy": …, "exit": …}.
"""

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgscore.errors import ImgscoreError, NoDaemonError, error_of
from imgscore.verbs.base import Message, Progress, Result

PROTOCOL = 1
"""Raise it when a request or an answer is no longer what an older program understands."""
LONGEST_REQUEST = 8 * 2**20
"""Bytes of one request line: 25,000 paths fit."""
ANSWER_SECONDS = 10.0
"""How long a daemon may be silent when it is asked for its status."""


def encode(message: dict[str, Any]) -> bytes:
    """One line. ASCII only, so that a file name that is no UTF-8 survives as lone surrogates."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def message_line(message: Message) -> dict[str, Any]:
    """A verb's message as the protocol says it."""
    match message:
        case Result(row):
            return {"result": row}
        case Progress(what, done, total):
            return {"progress": {"what": what, "done": done, "total": total}}


def error_line(error: ImgscoreError) -> dict[str, Any]:
    """An error as the protocol says it."""
    return {"error": error.message, "remedy": error.remedy, "exit": error.exit_code}


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for a socket that fits into the 107 bytes a socket address may have."""
    if len(os.fsencode(path)) <= 100:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path) -> socket.socket | None:
    """A connection to the daemon; None where none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        return None
    return connection


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end, as the kernel knows it."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[1])


def call(connection: socket.socket, verb: str, arguments: dict[str, Any]) -> Iterator[Message]:
    """Ask the daemon; yields its messages. Raises the error that it answers with."""
    try:
        request = {"verb": verb, "arguments": arguments, "protocol": PROTOCOL}
        connection.sendall(encode(request))
        with connection.makefile("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it ended in the middle of a line
                answer = json.loads(line)
                if "result" in answer:
                    yield Result(answer["result"])
                elif "progress" in answer:
                    yield Progress(**answer["progress"])
                elif "error" in answer:
                    raise error_of(answer["exit"])(answer["error"], answer["remedy"])
                else:
                    return
    except OSError as error:
        raise NoDaemonError(
            f"the connection to the daemon broke: {error.strerror or error}", "see: imgscore status"
        ) from None
    raise NoDaemonError("the daemon ended before it answered", "see: imgscore status")
