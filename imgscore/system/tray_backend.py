"""What this session has to show a tray icon on: a display, a tray host, and the parts to reach it.

Looks, and changes nothing. The parts are optional, so each is imported where it is asked for.
"""

import importlib.util
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from typing import Any, Literal

from imgscore.errors import NoDesktopError

Backend = Literal["appindicator", "gtk"]
"""pystray's two backends with a menu: over D-Bus, and into an XEmbed tray on X11."""

GTK = "apt install python3-gi gir1.2-gtk-3.0"
INDICATOR = "apt install gir1.2-ayatanaappindicator3-0.1"
WATCHER = "org.kde.StatusNotifierWatcher"
BUS_MILLISECONDS = 2000


def find_display() -> str:
    """The display's name (":0", "wayland-0"). Raises NoDesktopError where there is none."""
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return os.environ[variable]
    raise NoDesktopError(
        "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)",
        "use it in a desktop session; elsewhere: imgscore status --watch",
    )


def find_backend() -> Backend:
    """How a tray icon can be shown here. Raises NoDesktopError: what is missing, what to install.

    Imports PyGObject, and opens the display and the session bus for a moment.
    """
    display = find_display()
    if importlib.util.find_spec("pystray") is None:
        raise NoDesktopError("the tray needs pystray", "pip install 'imgscore[tray]'")
    gi = import_gi()
    has_indicator = any(_has(gi, name, "0.1") for name in ("AyatanaAppIndicator3", "AppIndicator3"))
    if not _has(gi, "Gtk", "3.0"):
        raise NoDesktopError("the tray needs GTK 3", GTK)
    on_bus = _has_bus_host()
    if on_bus and has_indicator:
        return "appindicator"
    if _has_x_host():
        return "gtk"
    if on_bus:
        raise NoDesktopError("this desktop's tray takes icons through AppIndicator", INDICATOR)
    raise NoDesktopError(
        f"no tray is running on display {display}",
        "GNOME: add the extension AppIndicator Support; window managers: start trayer or a bar",
    )


def import_gi() -> Any:
    """PyGObject. A distribution's own is found from a virtual environment of the same Python."""
    if importlib.util.find_spec("gi") is None:
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folders = [
            "/usr/lib/python3/dist-packages",
            f"/usr/lib64/{here}/site-packages",
            f"/usr/lib/{here}/site-packages",
        ]
        fitting = [folder for folder in folders if _fits(folder)]
        spec = PathFinder.find_spec("gi", fitting) if fitting else None
        if spec is None or spec.loader is None:
            raise NoDesktopError(
                "the tray needs PyGObject for this Python", f"{GTK}, or: pip install PyGObject"
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules["gi"] = module
        spec.loader.exec_module(module)
    import gi

    return gi


def _fits(folder: str) -> bool:
    """Whether the PyGObject in a folder was built for this very Python."""
    return any(os.path.exists(f"{folder}/gi/_gi{suffix}") for suffix in _own_suffixes())


def _own_suffixes() -> list[str]:
    """The names that say which Python an extension module is for."""
    return [one for one in EXTENSION_SUFFIXES if "cpython" in one]


def _has(gi: Any, name: str, version: str) -> bool:
    try:
        gi.require_version(name, version)
    except ValueError:
        return False
    return True


def _has_bus_host() -> bool:
    """Whether a StatusNotifier host, as of KDE, GNOME's extension or waybar, is on the bus."""
    from gi.repository import Gio, GLib

    def ask(name: str, path: str, method: str, signature: str, *arguments: str) -> Any:
        interface, _, member = method.rpartition(".")
        return bus.call_sync(
            name, path, interface, member, GLib.Variant(signature, arguments), None,
            Gio.DBusCallFlags.NO_AUTO_START, BUS_MILLISECONDS, None,
        ).unpack()[0]  # fmt: skip

    try:
        bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
        return bool(
            ask(
                WATCHER,
                "/StatusNotifierWatcher",
                "org.freedesktop.DBus.Properties.Get",
                "(ss)",
                WATCHER,
                "IsStatusNotifierHostRegistered",
            )
        )
    except GLib.Error:
        return False


def _has_x_host() -> bool:
    """Whether a window holds the tray of the X display."""
    from Xlib import display, error

    try:
        connection = display.Display()
    except (error.DisplayError, OSError):
        return False
    try:
        screen = connection.get_default_screen()
        owner = connection.get_selection_owner(
            connection.intern_atom(f"_NET_SYSTEM_TRAY_S{screen}")
        )
        return bool(owner)
    finally:
        connection.close()
