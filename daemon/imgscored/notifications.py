"""Notifications on the desktop, sent over the session bus.

Without a session bus, no notification is sent. A thread delivers the waiting notifications and then
ends. The loop never waits for this thread. If the notification server hangs, only notifications are
lost.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imgscore.engine.events import EventLog
from imgscore.verbs import status as status_verb
from imgscored.notification_policy import Level, Moment, Notice, NotificationPolicy

if TYPE_CHECKING:
    from imgscored.bus import Bus

logger = logging.getLogger(__name__)

# The largest number of waiting notifications. If the notification server hangs, each new
# notification replaces the oldest waiting one.
MAX_WAITING = 8
NAME, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
# The name of the icon in a notification. Every icon theme contains this icon.
ICON = "image-x-generic"


class Notifications:
    """The sender of notifications. It works from its construction until close()."""

    def __init__(self, level: Level, event_log: EventLog) -> None:
        self._notices = NotificationPolicy(level)
        self._event_log = event_log
        self._last_event, _ = event_log.since(0)
        self._lock = threading.Lock()
        self._waiting: list[Notice] = []
        self._thread: threading.Thread | None = None
        self._bus: Bus | None = None
        self._closed = False
        self._numbers: dict[str, int] = {}
        """a map from each subject to the server's id of the notification on the screen"""

    def look(self, status: status_verb.Response, problems: Mapping[str, str]) -> None:
        """Send the notifications that are due for a new status. Return without waiting.

        `problems`: the present problems by subject.
        """
        self._last_event, events = self._event_log.since(self._last_event)
        moment = Moment(
            problems,
            [watch.inbox for watch in status.watches if watch.state == "offline"],
            status.failed,
            events,
            sum(watch.files for watch in status.watches),
            status.groups,
            idle=status.pending == 0,
        )
        self._send(self._notices.due(moment, time.monotonic()))

    def _send(self, notices: list[Notice]) -> None:
        if not notices:
            return
        with self._lock:
            self._waiting = [*self._waiting, *notices][-MAX_WAITING:]
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="notices", daemon=True)
                # If the system has no free thread, the next call of `_send` tries again.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        from imgscored.bus import Bus, BusError, session_address

        try:
            with Bus(session_address()) as self._bus:
                if not self._closed:
                    self._deliver(self._bus)
        except (BusError, ValueError, TypeError) as error:
            # A malformed answer of the notification server raises ValueError or TypeError.
            logger.debug("notifications: %s", error)
            with self._lock:
                self._waiting, self._thread = [], None

    def _deliver(self, bus: "Bus") -> None:
        """Send the waiting notifications, and those that arrive during the delivery."""
        from jeepney import DBusAddress

        server = DBusAddress(PATH, NAME, NAME)
        (capabilities,) = bus.call(server, "GetCapabilities", start=True)
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
                _as_markup(body) if "body-markup" in capabilities else body,
                [],
                _hints(notice),
                -1,
            )
            self._numbers[notice.subject] = number

    def close(self) -> None:
        """End the thread. Drop the notifications that are not delivered."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None:
            if self._bus is not None:
                self._bus.interrupt()
            thread.join()


def _hints(notice: Notice) -> dict[str, tuple[str, Any]]:
    return {"urgency": ("y", 2 if notice.urgent else 1)}


def _plain(text: str) -> str:
    """Return the text without characters that D-Bus rejects.

    D-Bus accepts UTF-8 without NUL, but a file name may contain other bytes.
    """
    return os.fsencode(text).decode("utf-8", "replace").replace("\0", "")


def _as_markup(text: str) -> str:
    """Escape the three special characters of the markup. The module html would use 0.25 MB."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
