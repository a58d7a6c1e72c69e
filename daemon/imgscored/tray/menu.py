"""The items of the icon's menu for a state."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from imgscored.tray.state import TrayState, shortened


class Actions(Protocol):
    """The actions of the menu's items. The class Tray implements them."""

    def start(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def train(self) -> None: ...
    def open_folder(self, folder: str) -> None: ...
    def open_report(self) -> None: ...
    def show_failure(self, path: str) -> None: ...
    def quit(self) -> None: ...


def structure(tray_state: TrayState) -> Hashable:
    """Return a value that is equal for states whose menus have the same items and actions."""
    return (
        tray_state.shape == "offline",
        bool(tray_state.result),
        bool(tray_state.order),
        tray_state.inboxes,
        tray_state.failures,
    )


def items(tray_state: TrayState, actions: Actions) -> Iterator[Any]:
    """Yield pystray's menu items for a state."""
    from pystray import Menu, MenuItem

    def item(text: str, action: Callable[[], None], *, enabled: bool = True) -> Any:
        return MenuItem(text, lambda _icon: action(), enabled=enabled)

    def submenu(text: str, rows: Sequence[tuple[str, Callable[[], None]]]) -> Any:
        return MenuItem(text, Menu(*(item(*row) for row in rows)))

    yield item(tray_state.line, actions.quit, enabled=False)
    if tray_state.result:
        yield item(tray_state.result, actions.quit, enabled=False)
    if tray_state.order:
        yield item(tray_state.order, actions.quit, enabled=False)
    yield Menu.SEPARATOR
    if tray_state.shape == "offline":
        yield item("Start", actions.start)
    else:
        yield item("Pause for an hour", actions.pause, enabled=not tray_state.paused)
        yield item("Resume", actions.resume, enabled=tray_state.paused)
        yield item("Train now", actions.train, enabled=not tray_state.paused)
    yield Menu.SEPARATOR
    openers = [
        (shortened(inbox), partial(actions.open_folder, inbox)) for inbox in tray_state.inboxes
    ]
    if len(openers) == 1:
        yield item("Open inbox", openers[0][1])
    elif openers:
        yield submenu("Open inbox", openers)
    yield item("Open report", actions.open_report)
    if tray_state.failures:
        yield submenu(
            "Last failures",
            [(line, partial(actions.show_failure, path)) for path, line in tray_state.failures],
        )
    elif tray_state.shape != "offline":
        yield item("No failures", actions.quit, enabled=False)
    yield Menu.SEPARATOR
    yield item("Quit this icon", actions.quit)
