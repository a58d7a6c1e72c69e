"""The client of the daemon: functions that connect to the control socket and call a verb."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from imgscore import paths, protocol
from imgscore.errors import ImgscoreError, NoDaemonError, UsageError
from imgscore.messages import BaseRequest, Message, Progress, R, Result
from imgscore.store.lock import published_socket
from imgscore.system import private, upgrade
from imgscore.verbs import registry

STATUS_SECONDS = 10.0
"""The longest time to wait for the answer to the verb `status`, in seconds.

A daemon that does not answer within this time is considered to hang.
"""

UNKNOWN = ("Object contains unknown field", "Object missing required field", "there is no command")
"""Texts in the error of a daemon of another version. The daemon lacks the verb or a field of it, or
needs a field that this program does not have."""


def connect(path: Path) -> socket.socket | None:
    """Connect to the daemon whose socket is at `path`. Return None if no daemon accepts calls.

    Raises ConfigError if other users can replace the socket. Raises ImgscoreError if another user
    listens on it.
    """
    private.check_runtime_folder(path.parent)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with protocol.address(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        return None
    owner = protocol.peer(connection).uid
    if owner != os.getuid():
        connection.close()
        raise ImgscoreError(
            f"{path}: the process that listens there belongs to the user {owner}, not to you",
            "set XDG_RUNTIME_DIR to a folder of your own with mode 0700",
        )
    return connection


def connect_to_daemon() -> socket.socket | None:
    """Connect to the daemon of this user's store. Return None if no daemon accepts calls.

    The daemon may have been started with another XDG_RUNTIME_DIR than this process, for example if
    this process is a cron job. The lock file of the store then names the daemon's socket.
    """
    usual = paths.socket_path()
    connection = connect(usual)
    if connection is not None:
        return connection
    published = published_socket(paths.data_folder())
    return None if published in (None, usual) else connect(published)


def call(connection: socket.socket, request: BaseRequest[R]) -> Iterator[Message[R]]:
    """Send the request of a verb, and yield the messages of the answer.

    If the answer contains an error, raise it. Raises NoDaemonError if the connection ends too
    early.
    """
    arguments = msgspec.to_builtins(request)
    try:
        for message in exchange(connection, registry.name_of(request), arguments):
            match message:
                case Result(values):
                    yield Result(registry.row_of(request, values))
                case Progress():
                    yield message
    except UsageError as error:
        if any(text in error.message for text in UNKNOWN):
            raise ImgscoreError(
                f"the daemon has another version than this program: {error.message}",
                upgrade.REMEDY,
            ) from None
        raise


def exchange(
    connection: socket.socket, verb: str, arguments: dict[str, Any]
) -> Iterator[Message[dict[str, Any]]]:
    """Send a request, and yield the messages of the answer. The rows are decoded JSON.

    `verb`: the name of a verb, or "stop", or "reload". If the answer contains an error, raise it.
    Raises NoDaemonError if the connection ends too early.
    """
    try:
        connection.sendall(protocol.encode(protocol.request_line(verb, arguments)))
        with connection.makefile("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # the daemon ended before it sent the rest of the line
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
