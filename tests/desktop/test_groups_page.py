"""The tab Groups of the review: decisions by keys, undo, zoom, flicker, and access."""

import json
import re
from operator import ge
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgscore.testing import eventually
from tests.desktop.test_report import serious
from tests.support.browsers import open_page
from tests.support.commands import Start, imgscore
from tests.support.reviews import Visitor, history, images_of, reviewing
from tests.support.similar_images import put_alike, store_groups

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = ((320, 640), (390, 844), (600, 400), (844, 390), (1280, 800), (2560, 1440))


@pytest.fixture
def library(inbox: Path) -> list[list[Path]]:
    """An inbox with a group of three, one of two and one of nine images."""
    made = [
        put_alike(inbox, "sea", 3),
        put_alike(inbox, "hill שלום \u202e", 2),
        put_alike(inbox, "many", 9, side=240),
    ]
    assert imgscore("scan").code == 0
    store_groups(*made)
    return made


def begin(page: "Page", url: str) -> None:
    """Open the tab, and show the first group side by side."""
    from playwright.sync_api import expect

    page.goto(url)
    page.click("#tabs [value=groups]")
    page.click("#groups-begin")
    expect(page.locator(".member").first).to_be_visible()


def names(page: "Page") -> list[str]:
    """The names below the images that are shown."""
    return page.locator(".member-name").all_text_contents()


def smallest(page: "Page") -> tuple[float, float]:
    """The smallest width and the smallest height of the images that are shown."""
    boxes = [frame.bounding_box() for frame in page.locator(".member .choice").all()]
    return (
        min(box["width"] if box else 0 for box in boxes),
        min(box["height"] if box else 0 for box in boxes),
    )


def show_group(page: "Page", name: str) -> None:
    """Walk to the group whose best image has a name that begins with `name`."""
    for _ in range(4):
        if names(page)[0].startswith(name):
            return
        before = page.text_content("#group-title")
        page.keyboard.press("PageDown")
        page.wait_for_function(
            "before => document.getElementById('group-title').textContent !== before", arg=before
        )
    raise AssertionError(names(page))


def decided(page: "Page", count: int) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#group-count")).to_have_text(f"{count} decided")


def labels_of(paths: list[Path]) -> list[str | None]:
    return [row["label"] for row in imgscore("score", *paths, "--json").rows]


def test_group_server_strangers_and_wrong_requests_are_refused(
    library: list[list[Path]],
) -> None:
    with reviewing() as url:
        stranger, owner = Visitor(url), Visitor(url)
        origin = f"http://{owner.host}"
        base, data = owner.begin(url)
        groups = json.loads(owner.ask(base + "groups", {})[2])["groups"]
        assert data["groups"] is None and data["group_count"] == len(groups)
        group = next(group for group in groups if len(group["images"]) == 3)
        number = group["images"][1]
        body = {
            "image": number,
            "sha256": next(digest for at, digest in images_of(data).values() if at == number),
            "size": 3,
            "act": "keep",
        }
        for what, request in (("group", body), ("ungroup", {"numbers": [1]})):
            for wrong in (
                {"Origin": "http://evil.example"},
                {"Origin": "null"},
                {"Host": "evil.example"},
                {"Sec_Fetch_Site": "cross-site"},
                {"Cookie": "imgscore=guess"},
            ):
                assert owner.ask(base + what, request, **wrong)[0] == 403, (what, wrong)
            assert owner.ask(base + what, request, Content_Type="text/plain")[0] == 415
            assert stranger.ask(base + what, request, Origin=origin)[0] == 403
        for wrong_body in (
            {},
            [],
            {**body, "act": "delete"},
            {**body, "act": ["keep"]},
            {**body, "size": 2},
            {**body, "sha256": "00" * 32},
            {**body, "image": -1},
            {**body, "image": "0"},
            {**body, "image": [number]},
        ):
            assert owner.ask(base + "group", wrong_body)[0] == 400, wrong_body
        assert owner.ask(base + "ungroup", {"numbers": [1]})[0] == 409, "not of this review"
        assert owner.ask(base + "ungroup", {"numbers": "x"})[0] in (400, 409)
        assert history() == []
        status, _, answer = owner.ask(base + "group", body)
        assert status == 200
        numbers = json.loads(answer)["numbers"]
        assert [row["label"] for row in json.loads(answer)["labels"]] == ["keep", "trash", "trash"]
        assert labels_of(library[0]) == ["trash", "keep", "trash"]
        assert owner.ask(base + "ungroup", {"numbers": numbers})[0] == 200
        assert owner.ask(base + "ungroup", {"numbers": numbers})[0] == 409, "undone before"
        assert labels_of(library[0]) == [None, None, None]


@pytest.mark.parametrize("with_daemon", [False, True])
def test_group_keys_decide_and_undo(
    library: list[list[Path]], start: Start, page: "Page", with_daemon: bool
) -> None:
    from playwright.sync_api import expect

    sea, hill, many = library
    if with_daemon:
        start().settle()
    files = sorted(path.name for path in sea[0].parent.rglob("*"))
    with reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        expect(page.locator(".proposal")).to_have_count(1)
        page.keyboard.press("ArrowRight")
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-1.jpg")
        page.keyboard.press("k")
        decided(page, 1)
        show_group(page, "hill")
        page.keyboard.press("a")
        decided(page, 2)
        show_group(page, "many")
        page.keyboard.press(" ")
        decided(page, 3)
        expect(page.locator("#status")).to_contain_text("imgscore apply")
        assert labels_of(sea) == ["trash", "keep", "trash"]
        assert labels_of(hill) == ["keep", "keep"]
        assert labels_of(many) == [None] * 9
        for count in (2, 1, 0):
            page.keyboard.press("u")
            decided(page, count)
        assert labels_of([*sea, *hill]) == [None] * 5
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-0.jpg")
        page.keyboard.press("t")
        decided(page, 1)
        assert labels_of(sea) == ["trash"] * 3
        page.keyboard.press("u")
        decided(page, 0)
        page.keyboard.press("u")
        expect(page.locator("#status")).to_have_text("There is nothing to undo.")
    assert sorted(path.name for path in sea[0].parent.rglob("*")) == files, "no file was moved"


def test_group_labels_of_one_key_are_one_act(library: list[list[Path]], page: "Page") -> None:
    from playwright.sync_api import expect

    with reviewing() as url:
        begin(page, url)
        show_group(page, "many")
        page.keyboard.press("k")
        decided(page, 1)
        expect(page.locator("#group-undo")).to_be_enabled()
        page.close()
    assert imgscore("undo", "label", "--json").row["others"] == 8
    assert labels_of(library[2]) == [None] * 9


def test_group_shows_what_differs_and_earlier_labels(
    library: list[list[Path]], page: "Page"
) -> None:
    from playwright.sync_api import expect

    sea = library[0]
    assert imgscore("label", "4", sea[2]).code == 0
    with reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-2.jpg")
        facts = page.locator(".member dl").all_text_contents()
        assert "Pixels720\xa0×\xa0480" in facts[0] and "Sharpness100\xa0%" in facts[0]
        assert "Sharpness33\xa0%" in facts[2]
        first = page.locator(".member").first
        marked = first.locator("dd.differs").all_text_contents()
        assert "720\xa0×\xa0480" in marked and "JPEG" not in marked
        page.keyboard.press("k")
        decided(page, 1)
    rows = imgscore("score", *sea, "--json").rows
    assert [row["grade"] for row in rows] == [0.0, 0.0, 0.7], "4 stars stay"


def transforms(page: "Page") -> list[str]:
    script = "list => list.map(image => getComputedStyle(image).transform)"
    found: list[str] = page.eval_on_selector_all(".member .frame img", script)
    return found


def wait_for_zoom(page: "Page", before: str) -> None:
    """Wait until the page has handled the pointer: the images are placed in another way."""
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('.frame img')).transform !== before",
        arg=before,
    )


def test_group_zoom_and_pan_are_the_same_for_all_images(
    library: list[list[Path]], page: "Page"
) -> None:
    from playwright.sync_api import expect

    with reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        expect(page.locator(".member .frame img[src^=image]")).to_have_count(3)
        whole = transforms(page)
        assert len(set(whole)) == 1
        page.keyboard.press("z")
        expect(page.locator("#group-zoom")).to_have_attribute("aria-pressed", "true")
        box = page.locator(".frame").first.bounding_box()
        assert box is not None
        fit = min(box["width"] / 720, box["height"] / 480)
        (matrix,) = set(transforms(page))
        scale = float(matrix.removeprefix("matrix(").partition(",")[0])
        assert scale == pytest.approx(1 / fit, rel=0.02), "1:1"
        page.keyboard.press("Shift+ArrowRight")
        (moved,) = set(transforms(page))
        assert moved != matrix
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 40, middle[1] + 10, steps=4)
        page.mouse.up()
        wait_for_zoom(page, moved)
        (dragged,) = set(transforms(page))
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-0.jpg")
        page.mouse.wheel(0, -200)
        wait_for_zoom(page, dragged)
        assert len(set(transforms(page))) == 1
        page.keyboard.press("0")
        assert transforms(page) == whole
        page.locator(".member .choice").nth(1).click()
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-1.jpg")


def test_group_flicker_swaps_two_images_at_one_place(
    library: list[list[Path]], page: "Page"
) -> None:
    from playwright.sync_api import expect

    with reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("f")
        expect(page.locator(".member")).to_have_count(1)
        seen, boxes = [], []
        for _ in range(3):
            seen += names(page)
            boxes.append(page.locator(".frame").bounding_box())
            page.keyboard.press("f")
        assert seen == ["sea-2.jpg", "sea-0.jpg", "sea-2.jpg"]
        assert boxes[0] == boxes[1] == boxes[2], "the place is the same"
        assert names(page) == ["sea-0.jpg"]
        page.keyboard.press("k")
        decided(page, 1)
    assert labels_of(library[0]) == ["keep", "trash", "trash"]


def test_group_of_nine_images_shows_the_best_with_a_part_of_the_others(
    library: list[list[Path]], page: "Page"
) -> None:
    from playwright.sync_api import expect

    with reviewing() as url:
        begin(page, url)
        show_group(page, "many")
        expect(page.locator(".member")).to_have_count(4)
        expect(page.locator("#group-strip button")).to_have_count(9)
        page.keyboard.press("6")
        assert names(page) == ["many-0.jpg", "many-4.jpg", "many-5.jpg", "many-6.jpg"]
        expect(page.locator(".member.picked .member-name")).to_have_text("many-5.jpg")
        page.locator("#group-strip button").nth(8).click()
        expect(page.locator(".member.picked .member-name")).to_have_text("many-8.jpg")
        page.keyboard.press("ArrowRight")
        expect(page.locator(".member.picked .member-name")).to_have_text("many-0.jpg")
        page.set_viewport_size({"width": 390, "height": 844})
        expect(page.locator(".member")).to_have_count(2)
        page.set_viewport_size({"width": 2560, "height": 1440})
        expect(page.locator(".member")).to_have_count(6)


def test_group_file_that_the_browser_cannot_show_keeps_its_thumbnail(
    inbox: Path, page: "Page"
) -> None:
    from playwright.sync_api import expect

    first, second = put_alike(inbox, "sea", 2)
    with Image.open(first) as image:
        image.save(inbox / "sea.tiff")
    first.unlink()
    assert imgscore("scan").code == 0
    store_groups([inbox / "sea.tiff", second])
    with reviewing() as url:
        begin(page, url)
        expect(page.locator(".frame.preview")).to_have_count(1)
        expect(page.locator(".member .frame img[src^=image]")).to_have_count(1)


def test_group_new_order_keeps_the_group_and_the_undo(
    library: list[list[Path]], start: Start, page: "Page"
) -> None:
    """A new order gives the images of the page new numbers."""
    from playwright.sync_api import expect

    sea, hill, _ = library
    start().settle()
    with reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        page.keyboard.press("k")
        decided(page, 1)
        show_group(page, "hill")
        page.keyboard.press("k")
        decided(page, 2)
        show_group(page, "many")
        page.wait_for_selector("#renew:visible")
        page.click("#renew")
        expect(page.locator("#status")).to_contain_text("This is the order of head")
        assert names(page)[0] == "many-0.jpg"
        decided(page, 2)
        for count in (1, 0):
            page.keyboard.press("u")
            decided(page, count)
        assert labels_of([*sea, *hill]) == [None] * 5


def test_group_page_is_accessible_at_all_sizes(library: list[list[Path]], page: "Page") -> None:
    from playwright.sync_api import expect

    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=groups]")
        for _ in range(2):
            assert not serious(page)
            page.click("#theme")
        page.click("#groups-begin")
        show_group(page, "hill")
        assert names(page) == [f"hill שלום \\xe2\\x80\\xae-{number}.jpg" for number in range(2)]
        for _ in range(2):
            assert not serious(page)
            page.click("#theme")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            expect(page.locator(".member")).to_have_count(2)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, width
            # The page arranges the images again after the size of the window has changed.
            eventually(lambda: all(map(ge, smallest(page), (140, 80))), what=lambda: smallest(page))
            assert not serious(page), width


def test_group_touch_taps_pick_and_two_fingers_zoom(
    library: list[list[Path]], browser: "Browser"
) -> None:
    from playwright.sync_api import expect

    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with open_page(browser, **phone) as page, reviewing() as url:
        begin(page, url)
        show_group(page, "sea")
        page.locator(".member .choice").nth(1).tap()
        expect(page.locator(".member.picked .member-name")).to_have_text("sea-1.jpg")
        box = page.locator(".member .choice").first.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = page.context.new_cdp_session(page)

        def fingers(kind: str, *points: tuple[float, float]) -> None:
            places = [{"x": px, "y": py, "id": at} for at, (px, py) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        before = transforms(page)[0]
        fingers("touchStart", (x - 10, y), (x + 10, y))
        for step in range(1, 5):
            fingers("touchMove", (x - 10 - 8 * step, y), (x + 10 + 8 * step, y))
        fingers("touchEnd")
        wait_for_zoom(page, before)
        assert len(set(transforms(page))) == 1
        page.locator("#group-keep").tap()
        decided(page, 1)
    assert labels_of(library[0]) == ["trash", "keep", "trash"]


def test_report_shows_the_groups_without_decisions(
    library: list[list[Path]], page: "Page", tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    file = tmp_path / "page.html"
    assert imgscore("report", "--quick", "-o", file).code == 0
    page.goto(file.as_uri())
    page.click("#tabs [value=groups]")
    expect(page.locator("#group-cards .card")).to_have_count(3)
    expect(page.locator("#groups")).to_contain_text(re.compile("near-duplicates: sea-0.jpg"))
    assert page.is_hidden("#group-walk") and not page.locator(".open-group").count()
