"""pystray's icon with some additions.

The additions are a tooltip, a menu on both mouse buttons, and a menu that stays open during
updates. All code that uses pystray or GTK is here. The backend is chosen before pystray is
imported.
"""

import os
import tempfile
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from imgscore import paths
from imgscore.errors import NoDesktopError
from imgscore.system.tray_backend import Backend, import_gi


class _NoNotifier:
    """A replacement for pystray's notifier that does nothing.

    pystray's notifier needs a session bus even if no notification is sent.
    """

    def hide(self) -> None:
        """Do nothing."""


def make(
    backend: Backend,
    picture: Any,
    items: Callable[[], Iterable[Any]],
    structure_of: Callable[[], Hashable],
) -> Any:
    """Create an icon, but do not show it yet.

    `items()` returns the items of the menu. It is called at each update. As long as
    `structure_of()` returns the same value, an update only changes texts, and enables or
    disables items. Raises NoDesktopError if the display cannot be opened.
    """
    import_gi()
    os.environ["PYSTRAY_BACKEND"] = backend
    if backend == "gtk":
        os.environ["GDK_BACKEND"] = "x11"
    paths.runtime_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    # pystray passes icons to the desktop as temporary files.
    tempfile.tempdir = os.fspath(paths.runtime_folder())
    try:
        import pystray
    except ImportError as error:
        raise NoDesktopError(
            f"the display cannot be used: {error}",
            "check the variable DISPLAY, and who may use the display (xhost)",
        ) from None
    from gi.repository import GLib

    class Icon(pystray.Icon):  # type: ignore[misc]
        """An icon of the chosen backend, with the additions of this module."""

        _structure: Hashable = None

        def _initialize(self) -> None:
            self._notifier = _NoNotifier()
            self._mark_ready()

        def _update_menu(self) -> None:
            """Update the menu.

            A rebuild closes an open menu. So rebuild the menu only if `structure_of()` returns a
            new value.
            """
            structure = structure_of()
            if structure != self._structure:
                self._structure = structure
                super()._update_menu()
            else:
                GLib.idle_add(self._update_labels)

        def _update_labels(self) -> None:
            for widget, item in zip(self._menu_handle.get_children(), self.menu, strict=False):
                if item is not pystray.Menu.SEPARATOR:
                    widget.set_label(item.text)
                    widget.set_sensitive(item.enabled)

        def _update_title(self) -> None:
            super()._update_title()
            if backend == "gtk":
                GLib.idle_add(self._status_icon.set_tooltip_text, self.title)

        def _on_status_icon_activate(self, status_icon: Any) -> None:
            self._on_status_icon_popup_menu(status_icon, 1, 0)

    return Icon("imgscore", picture, "imgscore", pystray.Menu(items))
