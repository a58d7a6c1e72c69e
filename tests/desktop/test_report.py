"""The page of `imgscore report` in a browser: what it shows, its keys, and accessibility."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from imgscore import paths
from imgscore.report.data import NO_SCORE, Head, WatchFolders
from imgscore.report.page import page as html_page
from imgscore.report.page import page_data
from tests.conftest import put
from tests.desktop.conftest import browser  # noqa: F401 - a fixture
from tests.support.browsers import copied_by, open_page
from tests.support.commands import imgscore
from tests.unit.report.samples import report_data

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, LocatorAssertions, Page

MARKUP = "<img src=x onerror=alert(1)>.png"
SHELL = "it's $(touch pwned) `id`.png"
CONTROL = "new\nline\u202egpj.png"
BYTES = b"caf\xe9-\xff.png"
HOSTILE = [os.fsencode(name) for name in (MARKUP, SHELL, CONTROL)] + [BYTES]


@pytest.fixture
def library(inbox: Path) -> Path:
    """An inbox with labels, one of them wrong, hostile names, a copy, and a broken file."""
    suns, texts = put(inbox, "sun", 26), put(inbox, "text", 26)
    for path in [*suns[1:9], texts[0]]:
        path.rename(inbox / "keep" / path.name)
    for path in texts[1:10]:
        path.rename(inbox / "trash" / path.name)
    (inbox / "sub").mkdir()
    for path in texts[10:14]:
        path.rename(inbox / "sub" / path.name)
    shutil.copy(suns[20], inbox / "sub" / "a copy.png")
    for number, name in enumerate(HOSTILE):
        (image,) = put(inbox, "sun", 1, first=100 + 2 * number)
        image.rename(os.fsdecode(os.path.join(os.fsencode(inbox), name)))
    (inbox / "broken.jpg").write_bytes(suns[20].read_bytes()[:300])
    assert imgscore("scan").code == 0
    return inbox


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:  # noqa: F811 - the fixture
    """A page in a new browser context; an error in the page fails the test."""
    viewport = {"width": 1200, "height": 800}
    with open_page(browser, viewport=viewport, color_scheme="light") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield page


def _expect(locator: "Locator") -> "LocatorAssertions":
    """Playwright's `expect`. The page's policy forbids Playwright to evaluate predicates."""
    from playwright.sync_api import expect

    return expect(locator)


def names(page: "Page") -> list[str]:
    """The names of the gallery's tiles, in their order."""
    tiles = page.locator("#list .tile")
    numbered = [(int(tile.get_attribute("aria-posinset") or 0), tile) for tile in tiles.all()]
    ordered = [tile for _, tile in sorted(numbered, key=lambda pair: pair[0])]
    return [tile.locator(".name").text_content() or "" for tile in ordered]


def serious(page: "Page") -> list[Any]:
    """The serious findings of axe-core."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    violations = axe.Axe().run(page).response["violations"]
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]][:3])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]


def test_report_page_in_a_browser_works(library: Path, tmp_path: Path, page: "Page") -> None:
    answer = imgscore("report", "--json")
    assert answer.code == 0, answer.err
    row = answer.row
    file = paths.report_folder() / "default.html"
    assert row["page"] == str(file) and (row["images"], row["failures"]) == (57, 1)
    assert row["drawn"] == len(list((file.parent / "thumbnails").iterdir())) == 56  # one is a copy
    assert imgscore("report", "--json").row["drawn"] == 0

    page.goto(file.as_uri())
    every = names(page)
    assert len(every) == 39 and page.inner_text("#count") == "39 of 57 images"
    assert "To search for words" in page.inner_text("#report-hint")
    kinds = ["text" in name for name in every]
    assert kinds == sorted(kinds)  # suns first
    page.evaluate(
        "Promise.all([...document.querySelectorAll('.tile img')].map((image) => image.decode()))"
    )
    assert "undecided" in page.inner_text(".divider")
    _hostile_names_are_text(page, every, library)
    _filters(page, every)
    _keys(page, every, library)
    _parts(page, library)
    _looks(page)


def _hostile_names_are_text(page: "Page", every: list[str], library: Path) -> None:
    texts = [MARKUP, SHELL, r"new\x0aline\xe2\x80\xaegpj.png", r"caf\xe9-\xff.png"]
    assert set(texts) <= set(every)
    for name, text in zip(HOSTILE, texts, strict=True):
        page.fill("#name", name[:3].decode())
        page.locator("#list .tile", has_text=text).click()
        assert page.inner_text("#image-name") == text
        command = copied_by(page, lambda: page.click("#copy-keep"))
        _expect(page.locator("#status")).to_contain_text("Copied")
        # The shell does not run mv: it only splits the line into the arguments of mv.
        script = f'mv() {{ printf "%s\\0" "$@"; }}\n{command}'
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd=library)
        path = os.path.join(os.fsencode(library), name)
        assert done.stdout.split(b"\0") == [
            b"-n",
            b"--",
            path,
            os.fsencode(library) + b"/keep/",
            b"",
        ]
        page.keyboard.press("Escape")
    page.fill("#name", "")
    assert not (library / "pwned").exists()


def _filters(page: "Page", every: list[str]) -> None:
    page.fill("#name", "TEXT")
    assert set(names(page)) == {name for name in every if "text" in name}
    page.select_option("#folder", label="sub")
    assert len(names(page)) == 4
    page.fill("#name", "")
    assert "a copy.png" in names(page)
    page.click("#reset")
    page.select_option("#sort", "worst")
    assert sorted(names(page)) == sorted(every) and "text" in names(page)[0]
    page.select_option("#sort", "best")
    page.select_option("#place", "")
    page.select_option("#label", "keep")
    assert len(names(page)) == 9
    page.select_option("#label", "none")
    assert len(names(page)) == 39
    page.click("#reset")
    page.locator("#low").fill("0.5")
    assert all("text" not in name for name in names(page)) and names(page)
    page.fill("#name", "no such name")
    assert page.is_visible("#nothing") and not names(page)
    page.click("#reset")
    _expect(page.locator("#list .tile")).to_have_count(39)


def _keys(page: "Page", every: list[str], library: Path) -> None:
    def chosen() -> str:
        return page.locator("#list .tile.selected .name").text_content() or ""

    page.locator("#list").focus()
    page.keyboard.press("Home")
    assert chosen() == every[0]
    page.keyboard.press("ArrowRight")
    assert chosen() == every[1]
    page.keyboard.press("ArrowDown")
    assert chosen() not in every[:2]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    assert chosen() == every[-1]
    page.keyboard.press("Enter")
    assert page.is_visible("#viewer") and page.inner_text("#image-name") == every[-1]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#image-name") == every[-2]
    _expect(page.locator("#large")).to_have_attribute("src", re.compile("^file:"))
    page.keyboard.press("+")
    assert "scale(1.4)" in (page.get_attribute("#large", "style") or "")
    page.keyboard.press("0")
    assert "scale(1)" in (page.get_attribute("#large", "style") or "")
    path = copied_by(page, lambda: page.keyboard.press("c"))
    _expect(page.locator("#status")).to_have_text(f"Copied: {path}")
    assert path == str(next(library.rglob(every[-2])))
    page.keyboard.press("Escape")
    assert page.is_hidden("#viewer")
    page.keyboard.press("b")
    assert page.locator(".divider").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("bc?")  # text of a field: these are no shortcuts
    assert page.input_value("#name") == "bc?" and page.is_hidden("#help")
    page.fill("#name", "")
    page.locator("#list").focus()
    page.keyboard.press("?")
    assert page.is_visible("#help")
    assert page.evaluate("document.getElementById('help').scrollTop") == 0
    page.keyboard.press("Escape")


def _parts(page: "Page", library: Path) -> None:
    page.click("#tabs [value=suspects]")
    first = page.locator("#suspects .card").first
    _expect(first).to_contain_text("text-000.png")
    _expect(first).to_contain_text("labelled keep")
    assert first.locator("figure").count() == 4
    page.click("#tabs [value=groups]")
    _expect(page.locator("#groups")).to_contain_text("2 copies")
    page.click("#tabs [value=failures]")
    _expect(page.locator("#failures")).to_contain_text(str(library / "broken.jpg"))
    page.click("#tabs [value=learning]")
    assert page.locator("#learning svg").count() == 4
    assert "18 labels" in page.inner_text("#learned")


def _looks(page: "Page") -> None:
    """Assert: no serious finding in each part, light and dark; no sideways scrolling on a phone."""
    for theme in ("light", "dark"):
        for part in ("suspects", "groups", "failures", "learning", "order"):
            page.click(f"#tabs [value={part}]")
            assert not serious(page), (theme, part)
        page.locator("#list .tile").first.click()
        assert not serious(page), (theme, "viewer")
        page.keyboard.press("Escape")
        page.click("#help-button")
        assert not serious(page), (theme, "help")
        page.keyboard.press("Escape")
        page.click("#theme")
    # 390: a phone. 600 × 400: this window at 200 %.
    for width, height in ((390, 844), (600, 400)):
        page.set_viewport_size({"width": width, "height": height})
        for part in ("suspects", "groups", "failures", "learning", "order"):
            page.click(f"#tabs [value={part}]")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (width, part)


def test_report_without_a_browser_prints_the_path(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    made = imgscore("report", library / "sub", "--quick", "--open")
    assert made.code == 0 and "open the page yourself" in made.err, made.err


def test_report_copied_elsewhere_still_works(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "mine.html"
    target.parent.mkdir()
    row = imgscore("report", library / "sub", "-o", target, "--quick", "--json").row
    assert row["page"] == str(target) and row["thumbnails"] == str(target.parent / "mine-files")
    text = target.read_text()
    assert row["images"] >= 5 and text.startswith("<!doctype html>")
    assert text.count("<svg") == 3 and 'id="learning-curve-title"' not in text
    assert len(list((target.parent / "mine-files").iterdir())) >= 5
    for wrong, reason in (
        (library / "sub" / "x.html", "watched"),
        (tmp_path / "no" / "x", "written"),
    ):
        refused = imgscore("report", "-o", wrong)
        assert refused.code in (1, 2) and reason in refused.err, refused.err
    assert imgscore("report", tmp_path).code == 2
    plot = tmp_path / "plot.svg"
    assert imgscore("evaluate", "--plot", plot).code == 0
    assert len(ElementTree.parse(plot).getroot()) == 6  # a style, the paper, four plots


def test_report_quick_keeps_the_earlier_evaluation(library: Path) -> None:
    """A quick report measures nothing; the next full one measures what was left out."""
    assert imgscore("report").code == 0
    (data,) = paths.cache_folder().rglob("default.json")
    known = json.loads(data.read_text())
    known["evaluation"] |= {"left_out": 1, "doubled": 0.123}
    assert known["evaluation"]["curve"]
    data.write_text(json.dumps(known))
    assert imgscore("report", "--quick").code == 0
    assert json.loads(data.read_text())["evaluation"] == known["evaluation"]
    assert imgscore("report").code == 0
    assert json.loads(data.read_text())["evaluation"]["left_out"] == 0


def test_report_of_stars_shows_the_grades_of_suspects(inbox: Path, page: "Page") -> None:
    suns, texts = put(inbox, "sun", 8), put(inbox, "text", 8)
    assert imgscore("scan").code == 0
    for stars, files in (("4", suns), ("2", texts[1:]), ("5", texts[:1])):
        assert imgscore("label", stars, *files).code == 0
    assert imgscore("train").code == 0
    page.goto(Path(imgscore("report", "--json").row["page"]).as_uri())
    page.click("#tabs [value=suspects]")
    first = page.locator("#suspects .card").first
    _expect(first).to_contain_text("text-000.png")
    _expect(first).to_contain_text("labelled 5 stars")
    _expect(first).to_contain_text("Similar images labelled trash")
    page.click("#tabs [value=learning]")
    assert "two images with different grades" in page.inner_text("#learned")
    assert page.locator("#learning svg").count() == 4


def test_report_without_a_head_shows_the_images(inbox: Path, page: "Page") -> None:
    put(inbox, "sun", 3)
    assert imgscore("scan").code == 0
    row = imgscore("report", "--json").row
    assert (row["images"], row["unscored"], row["suspects"]) == (3, 3, 0)
    page.goto(Path(row["page"]).as_uri())
    assert len(names(page)) == 3 and page.is_hidden("#undecided")
    page.click("#tabs [value=learning]")
    assert "too few" in page.inner_text("#learned")


def test_report_of_a_head_that_scored_nothing_names_the_command(
    tmp_path: Path, page: "Page"
) -> None:
    for score, said in ((NO_SCORE, ", and head 7 has scored none of them yet"), (5000, "")):
        data = report_data("one.jpg", "two.jpg")
        data.head = Head("7", 0, 33)
        data.images.scores = [score, score]
        watch = WatchFolders("/pictures", None, None)
        file = tmp_path / "page.html"
        file.write_text(html_page(page_data(data, [watch], "thumbnails", review=False)))
        page.goto(file.as_uri())
        text = page.inner_text("#count")
        assert text.startswith(f"2 of 2 images{said}") and ("imgscore scan" in text) == bool(said)
