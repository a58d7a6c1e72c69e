"""One connection to a D-Bus message bus, used by one thread. Another thread may interrupt a wait.

Every failure on a bus is a BusError. Import this module inside the function that uses it: a daemon
on a machine without a bus then never loads it.
"""

import contextlib
import os
import socket
import struct
from collections import deque
from typing import Any

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, MessageType, new_method_call
from jeepney.auth import AuthenticationError
from jeepney.bus import get_connectable_addresses
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, prep_socket
from jeepney.low_level import MessageFlag
from jeepney.wrappers import DBusErrorResponse

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
# A timeout is an OSError. On bytes that are no D-Bus message, jeepney raises the others.
PROBLEMS = (OSError, ValueError, LookupError, struct.error)


class BusError(Exception):
    """The bus does not exist, lacks the service, or does not answer."""


class Bus:
    """Use it as a context manager, in the thread that created it. All methods raise BusError."""

    def __init__(self, address: str) -> None:
        try:
            path = next(get_connectable_addresses(address))
            self._socket = prep_socket(path, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, RuntimeError, AuthenticationError) as error:
            raise BusError(f"{address}: {error}") from None
        self._connection: DBusConnection | None = None

    def call(
        self, to: DBusAddress, method: str, signature: str = "", *body: Any, start: bool = False
    ) -> Any:
        """Call a method and return the body of the answer.

        start: let the bus start the service if it is not running.
        """
        message = new_method_call(to, method, signature or None, body)
        if not start:
            message.header.flags |= MessageFlag.no_auto_start
        return self._ask(message)

    def listen(self, rules: list[MatchRule]) -> "deque[Message]":
        """Subscribe to signals. The newest match stands in the returned queue (length 1)."""
        queue: deque[Message] = deque(maxlen=1)
        for rule in rules:
            self._ask(message_bus.AddMatch(rule))
            self._authenticated().filter(rule, queue=queue)
        return queue

    def await_signal(self, queue: "deque[Message]", timeout: float | None) -> None:
        """Wait until the queue holds a signal, at most `timeout` seconds (None: for ever)."""
        try:
            self._authenticated().recv_until_filtered(queue, timeout=timeout)
        except TimeoutError:
            return
        except PROBLEMS as error:
            raise BusError(repr(error)) from None

    def _ask(self, message: Message) -> Any:
        try:
            answer = self._authenticated().send_and_get_reply(message, timeout=ANSWER_SECONDS)
        except PROBLEMS as error:
            raise BusError(repr(error)) from None
        if answer.header.message_type == MessageType.error:
            raise BusError(str(answer.header.fields.get(HeaderFields.error_name)))
        return answer.body

    def _authenticated(self) -> DBusConnection:
        # Not in the constructor: a bus that hangs never answers, and only `interrupt` ends that.
        if self._connection is None:
            try:
                self._connection = DBusConnection(self._socket)
            except DBusErrorResponse as error:  # the bus accepts no more connections
                raise BusError(error.name) from None
        return self._connection

    def interrupt(self) -> None:
        """Called from another thread: a wait in progress raises BusError."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._socket.close()


def session_address() -> str:
    """Address of the session bus: from the environment, else the usual one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime}/bus"


def system_address() -> str:
    """Address of the system bus: from the environment, else the usual one."""
    configured = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    return configured or "unix:path=/run/dbus/system_bus_socket"
