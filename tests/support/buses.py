"""Message buses that belong to one test, and services on them.

A service answers from its own thread, on its own connection.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, prep_socket

from tests.support import needs

Answer = Callable[[str, tuple[Any, ...]], tuple[str, tuple[Any, ...]] | None]
"""(method, arguments) → (signature, body); None sends no answer"""


@contextmanager
def bus() -> Iterator[str]:
    """Run a dbus-daemon; gives its address."""
    needs.program("dbus-daemon", "dbus")
    with subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Service:
    """Owns a name on a bus, from construction to close()."""

    def __init__(self, address: str, name: str, answer: Answer) -> None:
        path = address.partition("path=")[2].partition(",")[0]
        self._answer = answer
        self._connection = DBusConnection(prep_socket(path))
        self._connection.send_and_get_reply(message_bus.RequestName(name))
        self._thread = threading.Thread(target=self._serve, name=name)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # the connection is closed
            while True:
                message = self._connection.receive()
                if message.header.message_type == MessageType.method_call:
                    reply = self._reply(message)
                    if reply is not None:
                        self._connection.send(reply)

    def _reply(self, message: Message) -> Message | None:
        try:
            answer = self._answer(message.header.fields[HeaderFields.member], message.body)
        except KeyError:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")
        return None if answer is None else new_method_return(message, *answer)

    def emit_changed(self, path: str, interface: str, **changed: tuple[str, Any]) -> None:
        """Signal that properties have changed."""
        where = DBusAddress(path, interface="org.freedesktop.DBus.Properties")
        body = (interface, changed, [])
        self._connection.send(new_signal(where, "PropertiesChanged", "sa{sv}as", body))

    def close(self) -> None:
        """Leave the bus."""
        self._connection.sock.shutdown(2)
        self._thread.join()
        self._connection.close()
