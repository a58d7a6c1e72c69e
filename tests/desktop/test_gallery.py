"""The gallery of a page with many images: scrolling, and the tiles that are used again."""

from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.report.data import WatchFolders
from imgscore.report.page import page as html_page
from imgscore.report.page import page_data
from tests.unit.report.samples import report_data

if TYPE_CHECKING:
    from playwright.sync_api import Page

COARSE = """() => [...document.querySelectorAll("#list .tile.coarse")].filter((tile) => {
  const { top, bottom } = tile.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}).length"""
"""counts the tiles in the window that show only their coarse view"""


def show_many(folder: Path, page: "Page") -> None:
    """Open a page with 1,000 images."""
    data = report_data(*(f"{number:04}.jpg" for number in range(1000)))
    watch = WatchFolders("/pictures", None, None)
    file = folder / "page.html"
    file.write_text(html_page(page_data(data, [watch], "thumbnails", review=False)))
    page.goto(file.as_uri())


def test_gallery_at_rest_has_its_tiles_in_the_sequence_of_the_images(
    tmp_path: Path, page: "Page"
) -> None:
    """A tile is used again at its place in the document; a screen reader reads in sequence."""
    show_many(tmp_path, page)
    for by in (1300, 700, 500, 90_000, -400, -600, -90_000, 800):
        page.evaluate("(by) => scrollBy(0, by)", by)
        page.wait_for_function(
            """() => {
              const tiles = [...document.querySelectorAll("#list .tile")];
              const shown = tiles.map((tile) => Number(tile.getAttribute("aria-posinset")));
              const sorted = shown.every((position, at) => !at || position > shown[at - 1]);
              const covers = (y) => tiles.some((tile) => {
                const { top, bottom } = tile.getBoundingClientRect();
                return top <= y && bottom >= y - 8;
              });
              return sorted && covers(innerHeight - 80) && covers(innerHeight / 2);
            }""",
            polling=100,
        )


def test_gallery_fast_scroll_loads_pictures_when_it_pauses_and_keys_load_them_at_once(
    tmp_path: Path, page: "Page"
) -> None:
    show_many(tmp_path, page)
    page.wait_for_selector("#list .tile")
    assert page.evaluate(COARSE) == 0
    coarse = page.evaluate(
        f"""() => new Promise((done) => {{
          let frames = 12;
          const next = () => {{
            if (!frames--) return done(({COARSE})());
            scrollBy(0, innerHeight / 2);
            requestAnimationFrame(next);
          }};
          next();
        }})"""
    )
    assert coarse > 0, "a tile that is shown for two frames needs no picture"
    page.wait_for_function(f"() => ({COARSE})() === 0", polling=50)
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "PageDown", "ArrowUp"):
        page.keyboard.press(key)
        if key != "PageDown":  # it can scroll by more than a window
            assert page.evaluate(COARSE) == 0, key
        page.wait_for_function(f"() => ({COARSE})() === 0", polling=50)
