"""Pages in Chromium, on a machine that may be busy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imgscore.testing import EVENT_SECONDS, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

KEEP_MESSAGES = """
const set = window.setTimeout;
window.setTimeout = (action, ms, ...more) => (ms === 4000 ? 0 : set(action, ms, ...more));
"""
"""Messages of the page stay: it clears them after 4,000 ms, before a busy machine has read them."""


@contextmanager
def open_page(browser: "Browser", **options: Any) -> Iterator["Page"]:
    """A page in a new browser context with these options; an error in the page fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(1000 * EVENT_SECONDS)
    context.add_init_script(KEEP_MESSAGES)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"a dialog says {dialog.message}"))
    yield page
    context.close()
    assert not problems


def copied_by(page: "Page", act: Callable[[], None]) -> str:
    """The text that an act copies to the clipboard. An earlier text is forgotten."""
    page.evaluate("navigator.clipboard.writeText('')")
    act()
    text: str = eventually(lambda: page.evaluate("navigator.clipboard.readText()"))
    return text
