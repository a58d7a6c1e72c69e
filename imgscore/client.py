"""The client of a daemon: connect to its control socket, and call a verb."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from imgscore import protocol
from imgscore.errors import NoDaemonError
from imgscore.messages import BaseRequest, Message, Progress, R, Result
from imgscore.verbs import registry

STATUS_SECONDS = 10.0
"""A daemon that does not answer `status` within so many seconds is taken for hung."""


def connect(path: Path) -> socket.socket | None:
    """A connection to the daemon; None if no daemon listens at `path`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with protocol.address(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        return None
    return connection


def call(connection: socket.socket, request: BaseRequest[R]) -> Iterator[Message[R]]:
    """Send a verb's request and yield the messages of its answer. Raises its error."""
    arguments = msgspec.to_builtins(request)
    for message in exchange(connection, registry.name_of(request), arguments):
        match message:
            case Result(values):
                yield Result(registry.row_of(request, values))
            case Progress():
                yield message


def exchange(
    connection: socket.socket, verb: str, arguments: dict[str, Any]
) -> Iterator[Message[dict[str, Any]]]:
    """Send a request and yield the messages of its answer; rows as decoded JSON.

    Besides the verbs, a daemon takes "stop" and "reload". Raises the error of the answer.
    """
    try:
        connection.sendall(protocol.encode(protocol.request_line(verb, arguments)))
        with connection.makefile("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # the daemon ended in the middle of a line
                answer = json.loads(line)
                if "result" in answer:
                    yield Result(answer["result"])
                elif "progress" in answer:
                    yield Progress(**answer["progress"])
                elif "error" in answer:
                    raise protocol.error_in(answer)
                else:
                    return
    except OSError as error:
        raise NoDaemonError(
            f"the connection to the daemon broke: {error.strerror or error}", "see: imgscore status"
        ) from None
    raise NoDaemonError("the daemon ended before it answered", "see: imgscore status")
