"""This module detects how this session can show a tray icon.

It checks the display, the tray and the installed libraries, and changes nothing. The libraries are
optional, so they are imported inside functions.
"""

import importlib.util
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from typing import Any, Literal

from imgscore.errors import NoDesktopError

Backend = Literal["appindicator", "gtk"]
"""The two backends of pystray that have a menu.

"appindicator" uses D-Bus, and "gtk" uses XEmbed on X11.
"""

GTK = "apt install python3-gi gir1.2-gtk-3.0"
INDICATOR = "apt install gir1.2-ayatanaappindicator3-0.1"
WATCHER = "org.kde.StatusNotifierWatcher"
BUS_MILLISECONDS = 2000


def find_display() -> str:
    """Return the name of the display, such as ":0" or "wayland-0".

    Raises NoDesktopError if there is no display.
    """
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return os.environ[variable]
    raise NoDesktopError(
        "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)",
        "run this command in a desktop session; elsewhere, use: imgscore status --watch",
    )


def find_backend() -> Backend:
    """Return the backend that can show a tray icon in this session.

    The function imports PyGObject. It connects to the display and the session bus for a moment.
    Raises NoDesktopError if a library or a tray is missing. The error names what is missing and how
    to install it.
    """
    display = find_display()
    if importlib.util.find_spec("pystray") is None:
        raise NoDesktopError("the tray needs pystray", "pip install 'imgscore[tray]'")
    gi = import_gi()
    has_indicator = any(_has(gi, name, "0.1") for name in ("AyatanaAppIndicator3", "AppIndicator3"))
    if not _has(gi, "Gtk", "3.0"):
        raise NoDesktopError("the tray needs GTK 3", GTK)
    bus_host = has_bus_host()
    x_host = not (bus_host and has_indicator) and has_x_host()
    return choose_backend(display, has_indicator, bus_host, x_host)


def choose_backend(display: str, has_indicator: bool, bus_host: bool, x_host: bool) -> Backend:
    """Return the backend for the libraries and trays that are present.

    `has_indicator`: whether the AppIndicator library is installed. `bus_host`: whether a tray is on
    the session bus. `x_host`: whether a tray is on the X display. Raises NoDesktopError if no
    backend can work.
    """
    if bus_host and has_indicator:
        return "appindicator"
    if x_host:
        return "gtk"
    if bus_host:
        raise NoDesktopError("the tray of this desktop needs AppIndicator", INDICATOR)
    raise NoDesktopError(
        f"no tray is running on display {display}",
        "GNOME: add the extension AppIndicator Support; other window managers: start a panel with "
        "a tray, for example the program trayer",
    )


def import_gi() -> Any:
    """Import PyGObject and return its module.

    If a virtual environment lacks PyGObject, import the PyGObject that the Linux distribution
    installed. This is possible only if it was built for this version of Python. Raises
    NoDesktopError if no usable PyGObject is found.
    """
    if importlib.util.find_spec("gi") is None:
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folders = [
            "/usr/lib/python3/dist-packages",
            f"/usr/lib64/{python}/site-packages",
            f"/usr/lib/{python}/site-packages",
        ]
        compatible = [folder for folder in folders if is_compatible(folder)]
        spec = PathFinder.find_spec("gi", compatible) if compatible else None
        if spec is None or spec.loader is None:
            raise NoDesktopError(
                "the tray needs PyGObject for this Python", f"{GTK}, or: pip install PyGObject"
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules["gi"] = module
        spec.loader.exec_module(module)
    import gi

    return gi


def is_compatible(folder: str) -> bool:
    """Return whether the PyGObject in `folder` was built for this Python version."""
    return any(os.path.exists(f"{folder}/gi/_gi{suffix}") for suffix in _own_suffixes())


def _own_suffixes() -> list[str]:
    """Return the file suffixes of extension modules that only this Python version can load."""
    return [suffix for suffix in EXTENSION_SUFFIXES if "cpython" in suffix]


def _has(gi: Any, name: str, version: str) -> bool:
    try:
        gi.require_version(name, version)
    except ValueError:
        return False
    return True


def has_bus_host() -> bool:
    """Return whether a tray of the StatusNotifier type is on the session bus.

    Examples of such trays are KDE, GNOME's extension and waybar.
    """
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


def has_x_host() -> bool:
    """Return whether a tray is running on the X display.

    Such a tray has a window that owns the tray selection.
    """
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
