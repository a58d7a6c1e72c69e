"""A desktop of a test's own: an X server, a session bus, and a tray that embeds icons."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from imgscore import desktop as part
from imgscore.errors import NoDesktopError
from tests.e2e.conftest import BIN

Xdisplay = pytest.importorskip("Xlib.display", reason="pip install 'imgscore[tray]'")

PROGRAMS = {
    "Xvfb": "xvfb", "trayer": "trayer", "xdotool": "xdotool", "dbus-daemon": "dbus",
    "dbus-run-session": "dbus",
}  # fmt: skip
SECONDS = 60.0
T = TypeVar("T")


def await_it(what: Callable[[], T | None], why: Callable[[], object] = lambda: "") -> T:
    """The first value that is not None or False; X tells no other way."""
    deadline = time.monotonic() + SECONDS
    while not (value := what()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
    return value


class Desktop:
    """A running X server and bus; `tray()` starts the tray, `icon()` our icon."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        reading, writing = os.pipe()
        screen = ("-noreset", "-screen", "0", "900x500x24")
        self._run("Xvfb", "-displayfd", str(writing), *screen, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.display = f":{pipe.readline().strip()}"
        bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._processes.append(bus)
        assert bus.stdout is not None
        with bus.stdout:
            self.bus = bus.stdout.readline().strip()

    @property
    def environment(self) -> dict[str, str]:
        """What a program of this desktop is started with."""
        return {
            **os.environ,
            "DISPLAY": self.display,
            "DBUS_SESSION_BUS_ADDRESS": self.bus,
            "NO_AT_BRIDGE": "1",  # no accessibility bus, which would outlive the test
            "GIO_USE_VFS": "local",
            "PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}",
        }

    def _run(self, *command: str | Path, **more: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
        )
        self._processes.append(process)
        return process

    def tray(self) -> None:
        """Start a tray; it is there when this returns."""
        size = ("--widthtype", "request", "--height", "32")
        self._run("trayer", "--edge", "top", "--align", "right", *size, env=self.environment)
        await_it(self._has_tray)

    def _has_tray(self) -> bool:
        connection = Xdisplay.Display(self.display)
        try:
            return bool(
                connection.get_selection_owner(connection.intern_atom("_NET_SYSTEM_TRAY_S0"))
            )
        finally:
            connection.close()

    def icon(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `imgscore tray`."""
        return self._run(BIN / "imgscore", "tray", *arguments, env=self.environment)

    def title(self) -> str:
        """What the icon says, "" where there is none."""
        connection = Xdisplay.Display(self.display)
        try:
            return _title(connection.screen().root)
        finally:
            connection.close()

    def await_title(self, beginning: str) -> str:
        """The icon's title, once it begins so."""
        return await_it(
            lambda: next((one for one in [self.title()] if one.startswith(beginning)), None),
            lambda: f"the icon says {self.title()!r}, not {beginning!r}",
        )

    def xdotool(self, *arguments: str) -> None:
        """Move, click, type."""
        subprocess.run(["xdotool", *arguments], env=self.environment, check=True)

    def choose(self, *keys: str) -> None:
        """Click the icon and go through its menu with these keys."""
        self.xdotool("mousemove", "884", "16", "click", "1")
        await_it(self._menu_is_open, lambda: "no menu opened")
        for key in keys:
            self.xdotool("key", key)
        await_it(lambda: not self._menu_is_open(), lambda: "the menu stayed open")

    def _menu_is_open(self) -> bool:
        """A menu is a window of its own, unmanaged and mapped, and larger than the tray."""
        connection = Xdisplay.Display(self.display)
        try:
            return any(
                window.get_attributes().map_state == 2 and window.get_geometry().height > 100
                for window in connection.screen().root.query_tree().children
            )
        finally:
            connection.close()

    def program(self, name: str, text: str) -> Path:
        """A program of this desktop's, in its PATH."""
        path = self._folder / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
        return path

    def close(self) -> None:
        """End all of it."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=30)


def _title(window: "Xdisplay.Window") -> str:
    name = window.get_wm_name()
    if isinstance(name, str) and name.startswith("imgscore:"):
        return name
    return next((text for one in window.query_tree().children if (text := _title(one))), "")


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    missing = sorted({apt for name, apt in PROGRAMS.items() if shutil.which(name) is None})
    if missing:
        pytest.skip(f"apt install {' '.join(missing)}")
    try:
        gi = part.import_gi()
        gi.require_version("Gtk", "3.0")
    except (NoDesktopError, ValueError) as error:
        pytest.skip(f"{error}: {part.GTK}")
    folder = tmp_path / "programs"
    folder.mkdir()
    here = Desktop(folder)
    yield here
    here.close()
