"""One connection to a D-Bus message bus, for one thread. Another may interrupt any of its waits.

Everything that can go wrong on a bus is a BusError. Import it where it is used: idle daemons on
machines without a bus do without.
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
# A timeout is an OSError; what is no D-Bus message makes jeepney raise the others.
PROBLEMS = (OSError, ValueError, LookupError, struct.error)


class BusError(Exception):
    """There is no such bus, no such service on it, or it does not answer."""


class Bus:
    """Use as a context manager, in the thread that made it. All methods raise BusError."""

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
        """The body of the answer. `start`: a service that does not run is started for it."""
        message = new_method_call(to, method, signature or None, body)
        if not start:
            message.header.flags |= MessageFlag.no_auto_start
        return self._ask(message)

    def listen(self, rules: list[MatchRule]) -> "deque[Message]":
        """From now on signals that match are put into the queue, also while a call is answered."""
        queue: deque[Message] = deque(maxlen=1)
        for rule in rules:
            self._ask(message_bus.AddMatch(rule))
            self._greeted().filter(rule, queue=queue)
        return queue

    def await_signal(self, queue: "deque[Message]", timeout: float | None) -> None:
        """Wait until there is a signal in the queue, at most so many seconds."""
        try:
            self._greeted().recv_until_filtered(queue, timeout=timeout)
        except TimeoutError:
            return
        except PROBLEMS as error:
            raise BusError(repr(error)) from None

    def _ask(self, message: Message) -> Any:
        try:
            answer = self._greeted().send_and_get_reply(message, timeout=ANSWER_SECONDS)
        except PROBLEMS as error:
            raise BusError(repr(error)) from None
        if answer.header.message_type == MessageType.error:
            raise BusError(str(answer.header.fields.get(HeaderFields.error_name)))
        return answer.body

    def _greeted(self) -> DBusConnection:
        # Not when it is made: a bus that hangs never greets back, and only `interrupt` ends that.
        if self._connection is None:
            try:
                self._connection = DBusConnection(self._socket)
            except DBusErrorResponse as error:  # it takes no more connections
                raise BusError(error.name) from None
        return self._connection

    def interrupt(self) -> None:
        """From another thread: whoever waits gets a BusError."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._socket.close()


def session_address() -> str:
    """Where the session bus is said to be, or usually is."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime}/bus"


def system_address() -> str:
    """Where the system bus is said to be, or usually is."""
    said = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    return said or "unix:path=/run/dbus/system_bus_socket"
