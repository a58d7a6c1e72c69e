"""Chromium of Debian, driven by Playwright."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from imgscore.testing import EVENT_SECONDS
from tests.support.browsers import open_page
from tests.support.commands import inbox, start
from tests.support.reviews import labelled_inbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser", "inbox", "labelled_inbox", "start"]

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A running Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("apt install chromium")
    playwright.expect.set_options(timeout=1000 * EVENT_SECONDS)  # the machine may be busy
    with playwright.sync_playwright() as driver:
        # CI runs as root, for whom Chromium's sandbox does not start.
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page in a new browser context; an error in the page fails the test."""
    with open_page(browser, color_scheme="light") as page:
        yield page
