"""Notices on the desktop, over the session bus. Silent where there is none.

They are handed to a thread, which ends when they are delivered: a notification server that hangs
costs a notice, and the loop nothing.
"""

import html
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imgscore.engine.events import EventLog
from imgscore.verbs.base import Row
from imgscored.notification_policy import Level, Moment, Notice, NotificationPolicy

if TYPE_CHECKING:
    from imgscored.bus import Bus

logger = logging.getLogger(__name__)

# Beyond so many that wait, the oldest are dropped.
MOST = 8
NAME, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
# An icon that every theme has.
ICON = "image-x-generic"


class Notifications:
    """Tells the user what is worth it, from construction to close()."""

    def __init__(self, level: Level, event_log: EventLog) -> None:
        self._notices = NotificationPolicy(level)
        self._event_log = event_log
        self._told, _ = event_log.since(0)
        self._lock = threading.Lock()
        self._waiting: list[Notice] = []
        self._thread: threading.Thread | None = None
        self._bus: Bus | None = None
        self._closed = False
        self._numbers: dict[str, int] = {}
        """subject → the server's number of the notification that is up"""

    def look(self, status: Row, problems: Mapping[str, str]) -> None:
        """A new status, and its troubles by subject: tell what is worth it. Never waits."""
        self._told, events = self._event_log.since(self._told)
        watches = status["watches"]
        moment = Moment(
            problems,
            [watch["inbox"] for watch in watches if watch["state"] == "offline"],
            status["failed"],
            events,
            sum(watch["files"] for watch in watches),
            idle=status["pending"] == 0,
        )
        self._send(self._notices.due(moment, time.monotonic()))

    def _send(self, notices: list[Notice]) -> None:
        if not notices:
            return
        with self._lock:
            self._waiting = [*self._waiting, *notices][-MOST:]
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="notices", daemon=True)
                with suppress(RuntimeError):  # there may be no more threads: with the next notice
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        from imgscored.bus import Bus, BusError, session_address

        try:
            with Bus(session_address()) as self._bus:
                if not self._closed:
                    self._deliver(self._bus)
        except (BusError, ValueError, TypeError) as error:  # or it answers what no such server does
            logger.debug("notifications: %s", error)
            with self._lock:
                self._waiting, self._thread = [], None

    def _deliver(self, bus: "Bus") -> None:
        """Show what waits, and what comes meanwhile."""
        from jeepney import DBusAddress

        server = DBusAddress(PATH, NAME, NAME)
        (abilities,) = bus.call(server, "GetCapabilities", start=True)
        while True:
            with self._lock:
                if self._closed or not self._waiting:
                    self._thread = None
                    return
                notice = self._waiting.pop(0)
            body = _plain(notice.body)
            (number,) = bus.call(
                server,
                "Notify",
                "susssasa{sv}i",
                "imgscore",
                self._numbers.get(notice.subject, 0),
                ICON,
                _plain(notice.title),
                html.escape(body, quote=False) if "body-markup" in abilities else body,
                [],
                _hints(notice),
                -1,
            )
            self._numbers[notice.subject] = number

    def close(self) -> None:
        """End it; what is not delivered is dropped."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None:
            if self._bus is not None:
                self._bus.interrupt()
            thread.join()


def _hints(notice: Notice) -> dict[str, tuple[str, Any]]:
    return {"urgency": ("y", 2 if notice.urgent else 1)}


def _plain(text: str) -> str:
    """What a bus takes: UTF-8 without NUL, whatever a file is called."""
    return os.fsencode(text).decode("utf-8", "replace").replace("\0", "")
