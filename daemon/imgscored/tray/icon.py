"""pystray's icon, and what it leaves out: a tooltip, a menu on either button that stays open.

Everything of pystray's and GTK's is here. The backend is chosen before pystray is imported.
"""

import os
import tempfile
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from imgscore import paths
from imgscore.errors import NoDesktopError
from imgscore.system.tray_backend import Backend, import_gi


class _NoNotifier:
    """pystray's asks for a session bus even where nobody wants notifications."""

    def hide(self) -> None:
        """There is nothing to hide."""


def make(
    backend: Backend,
    picture: Any,
    items: Callable[[], Iterable[Any]],
    structure_of: Callable[[], Hashable],
) -> Any:
    """An icon that is not shown yet; its menu is made of `items()`, whenever it is updated.

    While `structure_of()` is the same, items differ in text and in whether they can be chosen.
    Raises NoDesktopError where the display cannot be opened.
    """
    import_gi()
    os.environ["PYSTRAY_BACKEND"] = backend
    if backend == "gtk":
        os.environ["GDK_BACKEND"] = "x11"
    paths.runtime_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    tempfile.tempdir = os.fspath(paths.runtime_folder())  # pystray hands icons on as files
    try:
        import pystray
    except ImportError as error:
        raise NoDesktopError(
            f"the display cannot be used: {error}", "check DISPLAY, and who may use it (xhost)"
        ) from None
    from gi.repository import GLib

    class Icon(pystray.Icon):  # type: ignore[misc]
        """The icon of either backend."""

        _structure: Hashable = None

        def _initialize(self) -> None:
            self._notifier = _NoNotifier()
            self._mark_ready()

        def _update_menu(self) -> None:
            """A menu made anew closes the one that is being read: mostly, words are exchanged."""
            structure = structure_of()
            if structure != self._structure:
                self._structure = structure
                super()._update_menu()
            else:
                GLib.idle_add(self._exchange_words)

        def _exchange_words(self) -> None:
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
