"""Makes the pictures of the README: docs/before-and-after.jpg and docs/page.jpg.

Run it after a change of the demo or of the page: `python tools/readme_pictures.py`. It runs the
demo in a temporary folder. Needs Chromium and Playwright.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from imgscore.demo.folder import DemoFolder
from imgscore.demo.scenario import run

DOCS = Path(__file__).parent.parent / "docs"
PAGE_SIZE = (1280, 800)
"""The width and height of the page in CSS pixels: those of a laptop."""
MAX_WIDTH = 1400
"""The largest width of a picture, in pixels. The website shows it at most 700 wide, on screens of
high density."""
QUALITY = 80
"""The JPEG quality: the two pictures are then smaller than 500 kB together."""


def main() -> None:
    """Run the demo, and make the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt install chromium")
    with tempfile.TemporaryDirectory() as folder:
        demo = DemoFolder(Path(folder) / "demo")
        demo.prepare()
        for _ in run(demo):
            pass
        with Image.open(demo.sheet) as sheet:
            save(sheet, "before-and-after.jpg")
        with demo, reviewed(demo) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(
                viewport={"width": PAGE_SIZE[0], "height": PAGE_SIZE[1]}, color_scheme="light"
            )
            page.goto(address)
            save(picture_of(page), "page.jpg")
            browser.close()


@contextmanager
def reviewed(demo: DemoFolder) -> Iterator[str]:
    """Start the daemon of the demo and a review. Yield the address of the review."""
    demo.start()
    command = [sys.executable, "-m", "imgscore.cli.main", "review", "--no-open", "--json"]
    with subprocess.Popen(
        command, env=demo.environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as review:
        try:
            assert review.stdout is not None
            yield json.loads(review.stdout.readline())["url"]
        finally:
            review.terminate()


def picture_of(page: Page) -> Image.Image:
    """Return a picture of the best images, when all visible thumbnails are there."""
    page.locator("#list .tile img").first.wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('#list .tile img')].slice(0, 12)"
        ".every(image => image.complete && image.naturalWidth > 0)"
    )
    page.wait_for_timeout(1000)  # the thumbnails fade in
    return Image.open(BytesIO(page.screenshot()))


def save(picture: Image.Image, name: str) -> None:
    """Save a picture as a progressive JPEG in docs/, and print its size."""
    path = DOCS / name
    picture.thumbnail((MAX_WIDTH, picture.height))
    picture.convert("RGB").save(path, quality=QUALITY, optimize=True, progressive=True)
    print(f"{path}: {picture.width} × {picture.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
