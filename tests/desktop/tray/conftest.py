"""A desktop for one test: an X server, a session bus, and a panel with a tray."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.errors import NoDesktopError
from imgscore.system import tray_backend as part
from imgscore.testing import eventually
from tests.support.commands import BIN

Xdisplay = pytest.importorskip("Xlib.display", reason="pip install pystray")
X = pytest.importorskip("Xlib.X", reason="pip install pystray")

PROGRAMS = {
    "Xvfb": "xvfb", "trayer": "trayer", "xdotool": "xdotool", "dbus-daemon": "dbus",
    "dbus-run-session": "dbus",
}  # fmt: skip
PANEL_FILE = "xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml"
PANEL = """<?xml version="1.0"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=2;x=884;y=16"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray"/>
  </property>
</channel>
"""


class Desktop:
    """A running X server and bus; `tray()` starts a tray, `icon()` starts `imgscore tray`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._at = (884, 16)
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
        """The environment of a program on this desktop."""
        return {
            **os.environ,
            "DISPLAY": self.display,
            "DBUS_SESSION_BUS_ADDRESS": self.bus,
            "NO_AT_BRIDGE": "1",  # an accessibility bus would outlive the test
            "GIO_USE_VFS": "local",
            "BROWSER": os.fspath(self._folder / "xdg-open"),
            "PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}",
        }

    def _run(self, *command: str | Path, **more: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
        )
        self._processes.append(process)
        return process

    def tray(self) -> None:
        """Start a tray that embeds icons; it is ready when this returns."""
        size = ("--widthtype", "request", "--height", "32")
        self._run("trayer", "--edge", "top", "--align", "right", *size, env=self.environment)
        eventually(self._has_tray)

    def panel(self) -> None:
        """Start a panel whose tray takes icons over the bus, like those of KDE and GNOME."""
        file = Path(os.environ["XDG_CONFIG_HOME"]) / PANEL_FILE
        file.parent.mkdir(parents=True)
        file.write_text(PANEL)
        self._run("xfce4-panel", "--disable-wm-check", env=self.environment)
        eventually(lambda: "true" in self._ask_watcher("IsStatusNotifierHostRegistered"))

        self._at = (836, 16)

    def await_item(self) -> None:
        """Wait until an icon is registered on the bus and drawn."""
        eventually(lambda: "imgscore" in self._ask_watcher("RegisteredStatusNotifierItems"))
        x, y = self._at
        eventually(lambda: self._pixel(x, y) != self._pixel(x + 30, y))

    def await_item_changes(self) -> None:
        """Wait until the icon changes."""
        before = self._pixel(*self._at)
        eventually(lambda: self._pixel(*self._at) != before)

    def _pixel(self, x: int, y: int) -> bytes:
        connection = Xdisplay.Display(self.display)
        try:
            whole = 0xFFFFFFFF
            return bytes(connection.screen().root.get_image(x, y, 1, 1, X.ZPixmap, whole).data)
        finally:
            connection.close()

    def _ask_watcher(self, what: str) -> str:
        return subprocess.run(
            ["gdbus", "call", "--session", "--dest", part.WATCHER,
             "--object-path", "/StatusNotifierWatcher",
             "--method", "org.freedesktop.DBus.Properties.Get", part.WATCHER, what],
            env=self.environment, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip

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
        """The title of the icon, or ""."""
        connection = Xdisplay.Display(self.display)
        try:
            return _title(connection.screen().root)
        finally:
            connection.close()

    def await_title(self, beginning: str) -> str:
        """Wait until the icon's title begins so; return it."""
        return eventually(
            lambda: (title := self.title()).startswith(beginning) and title,
            what=lambda: f"the icon's title begins with {beginning!r}: {self.title()!r}",
        )

    def xdotool(self, *arguments: str) -> None:
        """Move the mouse, click, or type."""
        subprocess.run(["xdotool", *arguments], env=self.environment, check=True)

    def choose(self, *keys: str) -> None:
        """Open the menu of the icon and press these keys."""
        self.open_menu()
        for key in keys:
            self.xdotool("key", key)
        eventually(lambda: not self.menu_is_open(), what="the menu closes")

    def open_menu(self) -> None:
        """Click the icon unless its menu is open; it is open when this returns."""
        if self.menu_is_open():
            return
        x, y = self._at
        self.xdotool("mousemove", str(x), str(y), "click", "1")
        eventually(self.menu_is_open, what="a menu opens")

    def menu_is_open(self) -> bool:
        """Whether a mapped window is higher than the tray: that is the menu."""
        connection = Xdisplay.Display(self.display)
        try:
            windows = connection.screen().root.query_tree().children
            mapped = [w for w in windows if w.get_attributes().map_state == X.IsViewable]
            return any(window.get_geometry().height > 100 for window in mapped)
        finally:
            connection.close()

    def program(self, name: str, text: str) -> Path:
        """Write a Python program into the PATH of this desktop."""
        path = self._folder / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
        return path

    def close(self) -> None:
        """End all processes of the desktop."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=60)


def _title(window: "Xdisplay.Window") -> str:
    name = window.get_wm_name()
    if isinstance(name, str) and name.startswith("imgscore:"):
        return name
    return next((text for child in window.query_tree().children if (text := _title(child))), "")


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
