"""The tray icon: it shows the daemon's status and runs the actions of its menu.

There are three kinds of thread: the main thread with pystray's loop, one thread that requests the
status, and one thread for each slow action. Only the thread that requests the status
changes the state. This thread updates the icon only if the state has changed.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from imgscore.errors import ImgscoreError
from imgscore.system.tray_backend import Backend
from imgscore.verbs import pause, resume, train
from imgscored.tray import client, icon, menu
from imgscored.tray.drawing import draw
from imgscored.tray.state import TrayState, shortened, tray_state

# Seconds between two status requests. The daemon answers from memory, in about 1 ms.
STATUS_SECONDS = 2.0
PAUSE_SECONDS = 3600


class Tray:
    """The tray icon with its threads.

    The constructor raises NoDesktopError if the icon cannot be created.
    """

    def __init__(self, backend: Backend) -> None:
        self._state: TrayState = tray_state(None, 0)
        self._max_pending = 0
        self._result = ""
        self._ending = False
        self._wake = threading.Event()
        self._icon: Any = icon.make(
            backend,
            draw(self._state.shape),
            lambda: menu.items(self._state, self),
            lambda: menu.structure(self._state),
        )

    def run(self) -> None:
        """Show the icon until `quit`, SIGTERM or SIGINT. Call this on the main thread.

        Raises ImgscoreError if the icon was lost, or if the thread that requests the status failed.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.quit())
        self._icon.run(setup=self._follow)
        if not self._ending:
            raise ImgscoreError("the tray icon has ended unexpectedly", "see the messages above")

    def _follow(self, _: Any) -> None:
        try:
            self._icon.visible = True
            self._icon.title = self._state.tooltip
            while not self._ending:
                self._update()
                self._wake.wait(STATUS_SECONDS)
                self._wake.clear()
        finally:
            if not self._ending:
                # Remove the icon, because an icon that no longer changes would mislead the user.
                self._icon.stop()

    def _update(self) -> None:
        """Request the status, and update the parts of the icon that have changed."""
        status = client.status()
        pending = 0 if status is None else status.pending
        self._max_pending = max(self._max_pending, pending) if pending else 0
        before, self._state = self._state, tray_state(status, self._max_pending, self._result)
        if self._ending or self._state == before:
            return
        if (self._state.shape, self._state.share) != (before.shape, before.share):
            self._icon.icon = draw(self._state.shape, self._state.share)
        self._icon.title = self._state.tooltip
        self._icon.update_menu()

    def _run_action(self, action: Callable[[], str | None], progress: str = "") -> None:
        """Run an action on a new thread. The menu shows `progress`, and later the result."""
        self._result = progress
        self._wake.set()

        def work() -> None:
            try:
                self._result = shortened(action() or "")
            except ImgscoreError as error:
                self._result = shortened(error.message)
            self._wake.set()

        threading.Thread(target=work, name="action", daemon=True).start()

    def start(self) -> None:
        """Start the daemon."""
        self._run_action(lambda: client.command("start"), "starting …")

    def pause(self) -> None:
        """Pause the daemon for an hour."""
        self._run_action(lambda: _discard(client.ask(pause.Request(PAUSE_SECONDS))))

    def resume(self) -> None:
        """End a pause."""
        self._run_action(lambda: _discard(client.ask(resume.Request())))

    def train(self) -> None:
        """Train a head on the present labels now."""

        def learn() -> str:
            head = client.ask(train.Request())
            use = "in use" if head.used else "not used: the previous head is better"
            return f"head {head.head}, {head.labels} labels: {use}"

        self._run_action(learn, "learning …")

    def open_folder(self, folder: str) -> None:
        """Show a folder in the file manager."""
        self._run_action(lambda: client.open_folder(folder))

    def open_report(self) -> None:
        """Create the report and open it in the browser."""
        self._run_action(lambda: client.command("report", "--open"), "making the report …")

    def show_failure(self, path: str) -> None:
        """Show the folder of a file that failed."""
        self.open_folder(os.path.dirname(path))

    def quit(self) -> None:
        """Remove the icon. The daemon keeps running."""
        self._ending = True
        self._wake.set()
        self._icon.stop()


def _discard(_: object) -> None:
    """Discard the answer of a call. The icon itself shows what has changed."""
