"""pystray's icon, and what it leaves out: a tooltip, a menu on either button, an open menu kept.

Everything of pystray's and GTK's is here. The backend is chosen before pystray is imported.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from imgscore import places
from imgscore.desktop import Backend, import_gi
from imgscore.errors import NoDesktopError

# An open menu is looked at this often, to see whether it may be exchanged.
OPEN_MILLISECONDS = 300


class _NoNotifier:
    """pystray's asks for a session bus even where nobody wants notifications."""

    def hide(self) -> None:
        """There is nothing to hide."""


def make(backend: Backend, picture: Any, items: Callable[[], Iterable[Any]]) -> Any:
    """An icon that is not shown yet; its menu is made of `items()`, whenever it is updated.

    Raises NoDesktopError where the display cannot be opened.
    """
    import_gi()
    os.environ["PYSTRAY_BACKEND"] = backend
    if backend == "gtk":
        os.environ["GDK_BACKEND"] = "x11"
    places.runtime_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    tempfile.tempdir = os.fspath(places.runtime_folder())  # pystray hands icons on as files
    try:
        import pystray
    except ImportError as error:
        raise NoDesktopError(
            f"the display cannot be used: {error}", "check DISPLAY, and who may use it (xhost)"
        ) from None
    from gi.repository import GLib

    class Icon(pystray.Icon):  # type: ignore[misc]
        """The icon of either backend."""

        def _initialize(self) -> None:
            self._notifier = _NoNotifier()
            self._mark_ready()

        def _update_menu(self) -> None:
            """pystray would close a menu that the user is reading."""
            put = super()._update_menu
            if not hasattr(self, "_menu_handle"):
                put()  # the first one, without which AppIndicator shows nothing
                return

            def unless_open() -> bool:
                if self._menu_handle is not None and self._menu_handle.get_visible():
                    return True
                put()
                return False

            def look() -> bool:
                if unless_open():
                    GLib.timeout_add(OPEN_MILLISECONDS, unless_open)
                return False

            GLib.idle_add(look)

        def _update_title(self) -> None:
            super()._update_title()
            if backend == "gtk":
                GLib.idle_add(self._status_icon.set_tooltip_text, self.title)

        def _on_status_icon_activate(self, status_icon: Any) -> None:
            self._on_status_icon_popup_menu(status_icon, 1, 0)

    return Icon("imgscore", picture, "imgscore", pystray.Menu(items))
