"""Takes a picture of each state of the page, narrow to wide, light and dark, to be looked at.

Run it on the address that `imgscore review --no-open` prints, or on the file of a report:
`python tools/page_states.py ADDRESS FOLDER`. Needs Chromium and Playwright.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

SIZES = {390: 844, 1280: 800, 2560: 1440}
"""Widths and heights in CSS pixels: a phone, a laptop, a large screen."""
PARTS = ("order", "next", "compare", "search", "suspects", "groups", "failures", "learning")
AT_ONCE = ("order", "search", "failures", "learning")
"""The parts that need no answer of the server."""


def open_viewer(page: Page) -> None:
    page.click("#tabs [value=order]")
    page.locator("#list .tile").first.click()
    page.wait_for_timeout(700)


def open_reasons(page: Page) -> None:
    page.keyboard.press("e")
    page.wait_for_timeout(3000)


def one_to_one(page: Page) -> None:
    page.keyboard.press("z")


def close_and_help(page: Page) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("?")


def open_group(page: Page) -> None:
    page.keyboard.press("Escape")
    page.click("#tabs [value=groups]")
    page.locator(".open-group").first.click()
    page.wait_for_timeout(2000)


def zoom_group(page: Page) -> None:
    page.keyboard.press("z")


def flicker_group(page: Page) -> None:
    page.keyboard.press("0")
    page.keyboard.press("f")


def all_groups(page: Page) -> None:
    page.keyboard.press("o")


STATES: dict[str, Callable[[Page], None]] = {
    "viewer": open_viewer,
    "viewer-reasons": open_reasons,
    "viewer-pixels": one_to_one,
    "keys": close_and_help,
    "group": open_group,
    "group-pixels": zoom_group,
    "group-flicker": flicker_group,
    "group-list": all_groups,
}
"""What follows the parts, each step from the state before."""


def pictures(page: Page, folder: Path, size: str) -> None:
    """Take the pictures at one size, with both themes."""
    for theme in ("light", "dark"):
        if page.get_attribute("html", "data-theme") != theme:
            page.click("#theme")
        parts = [part for part in PARTS if page.locator(f"#tabs [value={part}]").count()]
        for part in parts:
            page.click(f"#tabs [value={part}]")
            page.wait_for_timeout(500 if part in AT_ONCE else 2500)
            page.screenshot(path=folder / f"{part}-{size}-{theme}.png")
        for name, act in STATES.items():
            if (name == "viewer-reasons" or name.startswith("group")) and "next" not in parts:
                continue  # a report has none of these states
            act(page)
            page.wait_for_timeout(300)
            page.screenshot(path=folder / f"{name}-{size}-{theme}.png")
        page.keyboard.press("Escape")


def take_all(browser: Browser, address: str, folder: Path) -> None:
    """Take the pictures at each size in one window: the address of a review works only once."""
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(address)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(500)
        pictures(page, folder, str(width))
    context.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="the address of a review, or the file of a report")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt install chromium")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    address = arguments.address
    if not address.startswith("http"):
        address = Path(address).resolve().as_uri()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take_all(browser, address, arguments.folder)
        browser.close()


if __name__ == "__main__":
    main()
