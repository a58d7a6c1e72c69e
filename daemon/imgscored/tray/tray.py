"""Follows the daemon's status, and carries out what the menu asks for.

Three kinds of thread: pystray's loop (main), the follower, and one a deed that takes its time.
Only the follower changes the face, and it touches the icon only when the face is another.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from imgscore.errors import ImgscoreError
from imgscore.system.tray_backend import Backend
from imgscored.tray import client, icon, menu
from imgscored.tray.drawing import draw
from imgscored.tray.state import TrayState, shortened, tray_state

# How often the daemon is asked; it answers from memory.
EVERY_SECONDS = 2.0
PAUSE_SECONDS = 3600


class Tray:
    """One icon. Raises NoDesktopError where it cannot be made."""

    def __init__(self, backend: Backend) -> None:
        self._face: TrayState = tray_state(None, 0)
        self._most_pending = 0
        self._said = ""
        self._ending = False
        self._wake = threading.Event()
        self._icon: Any = icon.make(
            backend,
            draw(self._face.shape),
            lambda: menu.items(self._face, self),
            lambda: menu.structure(self._face),
        )

    def run(self) -> None:
        """Show the icon until `quit`, SIGTERM or SIGINT. Belongs on the main thread.

        Raises ImgscoreError where the icon was lost, or nobody followed the daemon any more.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.quit())
        self._icon.run(setup=self._follow)
        if not self._ending:
            raise ImgscoreError("the icon was lost", "what is above says why")

    def _follow(self, _: Any) -> None:
        try:
            self._icon.visible = True
            self._icon.title = self._face.tooltip
            while not self._ending:
                self._look()
                self._wake.wait(EVERY_SECONDS)
                self._wake.clear()
        finally:
            if not self._ending:
                self._icon.stop()  # better no icon than one that no longer changes

    def _look(self) -> None:
        """Ask, and show what is different."""
        status = client.status()
        pending = 0 if status is None else status["pending"]
        self._most_pending = max(self._most_pending, pending) if pending else 0
        before, self._face = self._face, tray_state(status, self._most_pending, self._said)
        if self._ending or self._face == before:
            return
        if (self._face.shape, self._face.share) != (before.shape, before.share):
            self._icon.icon = draw(self._face.shape, self._face.share)
        self._icon.title = self._face.tooltip
        self._icon.update_menu()

    def _do(self, deed: Callable[[], str | None], saying: str = "") -> None:
        """Carry something out beside the loop; what comes of it stands in the menu."""
        self._said = saying
        self._wake.set()

        def work() -> None:
            try:
                self._said = shortened(deed() or "")
            except ImgscoreError as error:
                self._said = shortened(error.message)
            self._wake.set()

        threading.Thread(target=work, name="deed", daemon=True).start()

    def start(self) -> None:
        """Start the daemon."""
        self._do(lambda: client.command("start"), "starting …")

    def pause(self) -> None:
        """Let the daemon rest for an hour."""
        self._do(lambda: _quietly(client.ask("pause", {"seconds": PAUSE_SECONDS})))

    def resume(self) -> None:
        """End a pause."""
        self._do(lambda: _quietly(client.ask("resume", {})))

    def train(self) -> None:
        """Learn from the labels now."""

        def learn() -> str:
            (row,) = client.ask("train", {"taste": None})
            use = "in use" if row["used"] else "not used: the one before is better"
            return f"head {row['head']}, {row['labels']} labels: {use}"

        self._do(learn, "learning …")

    def open_folder(self, folder: str) -> None:
        """Show a folder in the file manager."""
        self._do(lambda: client.open_folder(folder))

    def open_report(self) -> None:
        """Make the report, and show it in the browser."""
        self._do(lambda: client.command("report", "--open"), "making the report …")

    def show_failure(self, path: str) -> None:
        """Show the folder of a file that failed."""
        self.open_folder(os.path.dirname(path))

    def quit(self) -> None:
        """Take the icon away; the daemon goes on."""
        self._ending = True
        self._wake.set()
        self._icon.stop()


def _quietly(_: object) -> None:
    """What the icon shows by itself need not be said."""
