"""A connection to a D-Bus message bus.

One thread uses the connection. Another thread may interrupt a wait of the first thread. Every
failure of a bus raises BusError. Import this module inside the function that uses it. A daemon on a
machine without a bus then never loads this module.
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
# The errors of a connection. A timeout is an OSError. If the data is no D-Bus message, jeepney
# raises one of the other errors.
PROBLEMS = (OSError, ValueError, LookupError, struct.error)


class BusError(Exception):
    """The bus does not exist, lacks the service, or does not answer."""


class Bus:
    """A connection to a bus. Use it as a context manager, in the thread that created it.

    All methods except `interrupt` raise BusError if the bus fails.
    """

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
        """Call a method of a service and return the body of the answer.

        `to`: the address of the service. `start`: whether the bus starts the service if the service
        is not running.
        """
        message = new_method_call(to, method, signature or None, body)
        if not start:
            message.header.flags |= MessageFlag.no_auto_start
        return self._ask(message)

    def listen(self, rules: list[MatchRule]) -> "deque[Message]":
        """Subscribe to the signals that match `rules`.

        Return a queue of length 1, which contains the newest signal.
        """
        queue: deque[Message] = deque(maxlen=1)
        for rule in rules:
            self._ask(message_bus.AddMatch(rule))
            self._authenticated().filter(rule, queue=queue)
        return queue

    def await_signal(self, queue: "deque[Message]", timeout: float | None) -> None:
        """Wait until `queue` contains a signal, or until `timeout` has passed.

        `timeout`: the largest number of seconds to wait. None means no limit.
        """
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
        # Connect here, not in the constructor. If the bus hangs, only `interrupt` can stop the
        # attempt to connect, and `interrupt` cannot be called before the constructor has returned.
        if self._connection is None:
            try:
                self._connection = DBusConnection(self._socket)
            except DBusErrorResponse as error:  # The bus accepts no more connections.
                raise BusError(error.name) from None
        return self._connection

    def interrupt(self) -> None:
        """End a wait of the thread that uses the connection. The wait then raises BusError.

        Call this method from another thread.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._socket.close()


def session_address() -> str:
    """Return the address of the session bus.

    It is read from the environment. If it is not set there, the default address is returned.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime}/bus"


def system_address() -> str:
    """Return the address of the system bus.

    It is read from the environment. If it is not set there, the default address is returned.
    """
    configured = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    return configured or "unix:path=/run/dbus/system_bus_socket"
