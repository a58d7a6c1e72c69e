"""Notices reach a real notification server over a real bus; one that hangs holds up nobody."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imgscored import bus as bus_module
from imgscored.notifications import NAME, Notifications

from imgscore import events
from imgscore.engine.events import EventLog
from imgscore.store.store import Store
from imgscore.verbs.status import Failure
from tests.integration.daemon.test_power import patient
from tests.support.buses import Service, bus
from tests.support.statuses import make_status, make_watch

IDLE = make_status()


class Server:
    """Takes notifications, as a desktop does; with `markup`, it shows some of HTML."""

    def __init__(self, address: str, *, markup: bool = False) -> None:
        self.shown: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self._abilities = ["body", "body-markup"] if markup else ["body"]
        self.service = Service(address, NAME, self._answer)

    def _answer(self, method: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        if method == "GetCapabilities":
            return "as", (self._abilities,)
        assert method == "Notify"
        self.shown.put(body)
        return "u", (self.shown.qsize() + 6,)

    def next(self) -> tuple[Any, ...]:
        return self.shown.get(timeout=60)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with bus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        patient(monkeypatch)
        yield address


@pytest.fixture
def event_log(tmp_path: Path) -> Iterator[EventLog]:
    with Store(tmp_path / "store") as store:
        with store.read() as txn:
            event_log = EventLog(store, txn)
        yield event_log


@pytest.mark.parametrize("markup", [False, True])
def test_notifications_server_receives_escaped_text(
    session: str, event_log: EventLog, markup: bool
) -> None:
    server = Server(session, markup=markup)
    with closing(server.service), closing(Notifications("important", event_log)) as notifications:
        name = os.fsdecode(b"/in/<b> & \xff")
        notifications.look(IDLE, {"model": name})
        program, replaces, _, title, body, actions, hints, expires = server.next()
        assert (program, replaces, title) == ("imgscore", 0, "imgscore has a problem")
        assert body == ("/in/&lt;b&gt; &amp; \ufffd" if markup else "/in/<b> & \ufffd")
        assert (actions, hints, expires) == ([], {"urgency": ("y", 2)}, -1)
        notifications.look(IDLE, {"model": name, "disk": "full"})
        assert server.next()[4] == "full"
        assert server.shown.empty()


def test_notifications_report_failed_images_and_missing_folders(
    session: str, event_log: EventLog
) -> None:
    server = Server(session)
    with closing(server.service), closing(Notifications("important", event_log)) as notifications:
        watch = make_watch(files=3)
        notifications.look(make_status(watches=[watch]), {})
        failed = [Failure("/in/a.jpg", "is damaged", "")]
        notifications.look(make_status(watches=[watch], failed=failed), {})
        assert server.next()[4] == "/in/a.jpg: is damaged"
        gone = make_watch(state="offline")
        notifications.look(make_status(watches=[gone], failed=failed), {})
        assert server.next()[4].startswith("/in: ")


def test_notifications_report_a_new_head(session: str, event_log: EventLog) -> None:
    server = Server(session)
    with closing(server.service), closing(Notifications("all", event_log)) as notifications:
        event_log.emit(events.Trained(taste="default", head="1", labels=4, used=True))
        event_log.emit(events.Ordered(inbox="/in", files=7))
        notifications.look(make_status(watches=[make_watch(files=9)]), {})
        assert server.next()[4] == "from 4 labels: 7 of 9 images moved"


def test_notifications_without_bus_or_server_do_nothing(
    session: str, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Notifications("important", event_log)) as notifications:
        notifications.look(IDLE, {"model": "nobody is on the bus"})
        _await_no_thread()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
        notifications.look(IDLE, {"disk": "there is no bus"})
        _await_no_thread()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "autolaunch:")
        notifications.look(IDLE, {"config": "nor can there be one"})
        _await_no_thread()


def test_notifications_hanging_server_is_given_up(
    session: str, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 0.2)
    asked = threading.Event()

    def never(method: str, body: tuple[Any, ...]) -> None:
        asked.set()

    service = Service(session, NAME, never)
    with closing(service), closing(Notifications("important", event_log)) as notifications:
        notifications.look(IDLE, {"model": "x"})
        assert asked.wait(60)
        _await_no_thread()


def test_notifications_close_does_not_wait_for_a_hanging_server(
    session: str,
    event_log: EventLog,
    silent_bus: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = threading.Event()

    def never(method: str, body: tuple[Any, ...]) -> None:
        asked.set()

    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1e6)
    with closing(Service(session, NAME, never)):
        with closing(Notifications("important", event_log)) as notifications:
            notifications.look(IDLE, {"model": "x"})
            assert asked.wait(60)
        _await_no_thread()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", silent_bus())
    monkeypatch.setattr(bus_module, "CONNECT_SECONDS", 1.0)
    with closing(Notifications("important", event_log)) as notifications:
        notifications.look(IDLE, {"model": "x"})
    _await_no_thread()


def _await_no_thread() -> None:
    for thread in threading.enumerate():
        if thread.name == "notices":
            thread.join(60)
            assert not thread.is_alive()


def test_notifications_without_a_free_thread_keep_the_notice(
    session: str, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server = Server(session)
    with closing(server.service), closing(Notifications("important", event_log)) as notifications:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none_left)
            notifications.look(IDLE, {"model": "one"})
        notifications.look(IDLE, {"model": "one", "disk": "two"})
        assert [server.next()[4], server.next()[4]] == ["one", "two"]
