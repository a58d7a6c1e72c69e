"""The open image of the review page: zoom, facts, reasons for its score, and its folder."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgscore.testing import eventually
from tests.conftest import draw
from tests.support.browsers import open_page
from tests.support.commands import imgscore
from tests.support.reviews import Visitor, images_of, reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LARGE = "a large photo.jpg"
SMALL = "a small icon.png"


@pytest.fixture
def photos(labelled_inbox: Path) -> Path:
    """Labelled images, a photo of 3,000 × 2,000 pixels with EXIF, and an icon of 72 pixels."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Nikon", "Nikon Z 6"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 12:34:56"
    large = draw("sun", 900).convert("RGB").resize((3000, 2000))
    large.save(labelled_inbox / LARGE, exif=exif)
    draw("text", 901).resize((72, 72)).save(labelled_inbox / SMALL)
    assert imgscore("scan").code == 0
    return labelled_inbox


def place_of(page: "Page") -> dict[str, float]:
    """The place and size of the open picture on the screen, in CSS pixels."""
    box = page.locator("#large").bounding_box()
    assert box is not None
    return dict(box)


def wait_for_place(page: "Page", what: str, arrived: Callable[[dict[str, float]], bool]) -> None:
    """Wait until the open picture's place satisfies `arrived`; the page moves it once a frame."""
    eventually(lambda: arrived(place_of(page)), what=lambda: f"{what}, but: {place_of(page)}")


def open_image(page: "Page", name: str) -> None:
    page.fill("#name", name)
    page.locator("#list .tile").first.click()
    page.wait_for_function("document.getElementById('large').naturalWidth > 0")


def test_viewer_zooms_to_pixels_and_shows_facts_and_reasons(
    photos: Path, browser: "Browser"
) -> None:
    from playwright.sync_api import expect

    with open_page(browser, bypass_csp=True) as page, reviewing() as url:
        page.goto(url)
        open_image(page, LARGE)
        details = page.locator("#details")
        expect(details).to_contain_text("2024-05-06 12:34:56")
        expect(details).to_contain_text("Nikon Z 6")
        _zoom(page)

        assert page.locator("#reasons-list img").count() == 0  # nothing is requested yet
        page.keyboard.press("e")
        reasons = page.locator("#reasons-list")
        expect(reasons).to_contain_text("Similar images that you keep")
        expect(reasons).to_contain_text("Similar images that you trash")
        first = reasons.locator("button.keeps").first
        assert "labelled keep" in (first.get_attribute("aria-label") or "")
        first.click()
        expect(page.locator("#image-name")).to_have_text(re.compile(r"sun-00[0-2]\.jpg|sun-00"))
        page.keyboard.press("Escape")

        open_image(page, SMALL)
        place = place_of(page)
        assert (place["width"], place["height"]) == (72, 72)
        page.keyboard.press("Escape")
        page.fill("#name", "sun")
        page.keyboard.press("Escape")
        page.locator("#list").focus()
        before = page.locator("#strip .progress").text_content() or ""
        page.keyboard.press("k")
        expect(page.locator("#strip .progress")).to_contain_text("1 of them now")
        assert "6 labels" in before and "24 more make the order useful" in before
        page.keyboard.press("u")
        expect(page.locator("#strip .progress")).to_have_text(before)


def _zoom(page: "Page") -> None:
    """Assert: keys, wheel and pointer zoom and move the picture, and 1:1 is 1:1."""
    from playwright.sync_api import expect

    page.locator("#stage").hover(position={"x": 100, "y": 100})
    fitted = place_of(page)
    page.keyboard.press("z")
    expect(page.locator("#zoom-pixels")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#zoom-level")).to_have_text("100 %")
    pixels = place_of(page)
    ratio = pixels["width"] / fitted["width"]
    width = page.evaluate("document.getElementById('stage').clientWidth")
    assert abs(width * ratio - 3000) < 2
    page.keyboard.press("Shift+ArrowRight")
    wait_for_place(page, "80 pixels to the left", lambda box: box["x"] == pixels["x"] - 80)
    page.keyboard.press("Shift+ArrowLeft")
    wait_for_place(page, "back", lambda box: box == pixels)
    page.mouse.down()
    page.mouse.move(60, 100)
    page.mouse.up()
    wait_for_place(page, "dragged to the left", lambda box: box["x"] < pixels["x"])
    page.keyboard.press("z")
    wait_for_place(page, "fitted", lambda box: box == fitted)
    page.mouse.wheel(0, -300)
    wait_for_place(page, "larger", lambda box: box["width"] > fitted["width"])
    page.keyboard.press("0")
    wait_for_place(page, "fitted", lambda box: box == fitted)


def test_review_server_opens_only_folders_of_the_page(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, opened = tmp_path / "programs", tmp_path / "opened"
    programs.mkdir()
    (programs / "xdg-open").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {opened}\n')
    (programs / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":99")
    with reviewing() as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        number, digest = images_of(data)[LARGE]
        stranger = Visitor(url)
        asked = {"image": number, "sha256": digest}
        assert stranger.ask(base + "reveal", asked, Origin=f"http://{owner.host}")[0] == 403
        assert owner.ask(base + "reveal", asked, Origin="http://evil.example")[0] == 403
        for wrong in ({}, {"image": number, "sha256": "00"}, {"image": -1, "sha256": digest}):
            assert owner.ask(base + "reveal", wrong)[0] == 400, wrong
        assert owner.ask(base + "reveal", {**asked, "folder": "/etc"})[0] == 200
        eventually(opened.exists, what="xdg-open runs")
        assert opened.read_text() == f"{photos}/\n"
        (programs / "xdg-open").write_text("#!/bin/sh\nexit 3\n")
        status, _, body = owner.ask(base + "reveal", asked)
        assert status == 409 and b"copy the path" in body
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with reviewing() as url:
        owner = Visitor(url)
        base, _ = owner.begin(url)
        status, _, body = owner.ask(base + "reveal", asked)
        assert status == 409 and b"without a desktop" in body
    assert subprocess.run(["cat", opened], capture_output=True, check=True).stdout.count(b"\n") == 1


def test_viewer_two_fingers_zoom_and_move_and_one_finger_swipes(
    photos: Path, browser: "Browser"
) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with open_page(browser, bypass_csp=True, **phone) as page, reviewing() as url:
        page.goto(url)
        page.locator("#list .tile").first.tap()
        page.wait_for_function("document.getElementById('large').naturalWidth > 0")
        touch = page.context.new_cdp_session(page)

        def fingers(kind: str, *points: tuple[float, float]) -> None:
            places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        def middle(box: dict[str, float]) -> tuple[float, float]:
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        stage = page.locator("#stage").bounding_box()
        assert stage is not None
        x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        width = place_of(page)["width"]
        fingers("touchStart", (x - 20, y), (x + 20, y))
        for step in range(1, 9):
            fingers("touchMove", (x - 20 - 5 * step, y), (x + 20 + 5 * step, y))
        wide = pytest.approx(3 * width, rel=0.02)
        wait_for_place(page, "three times as wide", lambda box: box["width"] == wide)
        x0, y0 = middle(place_of(page))
        for step in range(1, 9):  # both fingers move together
            fingers(
                "touchMove", (x - 60 + 4 * step, y + 5 * step), (x + 60 + 4 * step, y + 5 * step)
            )
        fingers("touchEnd")
        moved = pytest.approx((x0 + 32, y0 + 40), abs=3)
        wait_for_place(page, f"the middle at {moved}", lambda box: middle(box) == moved)
        assert page.inner_text("#position").startswith("1 of")  # a pinch is no swipe
        page.click("#zoom-fit")
        fingers("touchStart", (x + 80, y))
        for step in range(1, 9):
            fingers("touchMove", (x + 80 - 20 * step, y))
        fingers("touchEnd")
        page.wait_for_function("document.getElementById('position').textContent.startsWith('2 of')")
