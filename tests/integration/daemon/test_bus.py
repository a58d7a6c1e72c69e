"""Buses and services with malformed answers: the caller gets a BusError, and nothing else fails."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from imgscored import power
from imgscored.bus import Bus, BusError
from imgscored.mailbox import Mailbox
from imgscored.notifications import NAME, Notifications
from imgscored.power import SAVER, Power
from jeepney import DBusAddress, Message, new_error
from jeepney.low_level import Parser

from imgscore.engine.events import EventLog
from imgscore.store.store import Store
from imgscore.testing import eventually
from tests.integration.daemon.test_power import next_word, patient
from tests.support.buses import Service, bus
from tests.support.statuses import make_status

IDLE = make_status()


@contextmanager
def odd_bus(path: Path, answer: Callable[[Message], bytes]) -> Iterator[str]:
    """The address of a bus that lets one client in, and answers its first message so."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1)
            client.recv(1024)
            client.sendall(b"OK 1234deadbeef\r\n")
            parser, message = Parser(), None
            data = client.recv(4096).removeprefix(b"BEGIN\r\n")
            while message is None:
                parser.add_data(data)
                message = parser.get_next_message()
                data = b"" if message else client.recv(4096)
            client.sendall(answer(message))
            client.recv(4096)  # until it goes

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix:path={path}"
        thread.join()


def refused(message: Message) -> bytes:
    error = new_error(message, "org.freedesktop.DBus.Error.LimitsExceeded")
    return error.serialise(serial=1)


@pytest.mark.parametrize("answer", [refused, lambda _: b"\xff" * 64], ids=["refused", "garbage"])
def test_bus_without_greeting_raises_bus_error(
    tmp_path: Path, answer: Callable[[Message], bytes]
) -> None:
    with (
        odd_bus(tmp_path / "odd", answer) as address,
        Bus(address) as odd,
        pytest.raises(BusError),
    ):
        odd.call(DBusAddress("/x", "x.y", "x.y"), "Z")


def test_bus_malformed_answer_raises_bus_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power is what sysfs says, and the next notice gets through."""
    answers: list[tuple[str, tuple[Any, ...]]] = [("u", (7,)), ("ss", ("a", "b"))]

    def server(method: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]] | None:
        if method == "GetCapabilities":
            return answers.pop() if answers else ("as", ([],))
        shown.append(body[4])
        return "u", (1,)

    shown: list[str] = []
    profile = {"Get": ("v", (("s", "power-saver"),))}
    with bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        patient(monkeypatch)
        upower = Service(address, power.UPOWER[0], lambda *_: ("u", (7,)))
        profiles = Service(address, power.PROFILES[0][0], lambda method, _: profile[method])
        with (
            closing(upower),
            closing(profiles),
            closing(Mailbox()) as mailbox,
            closing(Power(mailbox, tmp_path)),
        ):
            assert next_word(mailbox) == ""
            assert next_word(mailbox) == SAVER
        with Store(tmp_path / "store") as store:
            with store.read() as txn:
                event_log = EventLog(store, txn)
            with (
                closing(Service(address, NAME, server)),
                closing(Notifications("important", event_log)) as notifications,
            ):
                numbers = count()

                def notify_again() -> list[str]:
                    notifications.look(IDLE, {f"{next(numbers)}": "trouble"})
                    return shown

                eventually(notify_again, what="a notice is shown")
