"""Stars on the page: keys and buttons of the review, marks, filters, and the static report."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.desktop.test_report import serious
from tests.support.commands import imgscore
from tests.support.reviews import reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Page

STARS = ["★", "★★", "★★★", "★★★★", "★★★★★"]
SIDES = ["trash", "trash", "undecided", "keep", "keep"]


def grades(folder: Path, names: list[str]) -> list[float | None]:
    """The grades of files, in the order of their names."""
    rows = imgscore("score", *(folder / name for name in names), "--json").rows
    return [row["grade"] for row in rows]


def test_review_digits_give_stars_and_undo_takes_them_back(
    labelled_inbox: Path, page: "Page"
) -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        names = [page.locator(f"#tile-{n} .name").text_content() or "" for n in range(7)]
        for key in "12345x":
            page.keyboard.press(key)
        for number, (stars, side) in enumerate(zip(STARS, SIDES, strict=True)):
            mark = page.locator(f"#tile-{number} .mark")
            expect(mark).to_have_text(stars)
            expect(mark).to_have_class(f"mark {side}")
        expect(page.locator("#tile-5 .mark")).to_have_text("trash")
        expect(page.locator("#tile-2")).to_have_attribute(
            "aria-label", re.compile("labelled 3 stars$")
        )
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text(f"Undone: {names[5]}")
        assert grades(labelled_inbox, names[:6]) == [0.1, 0.3, 0.5, 0.7, 0.9, None]
        page.reload()
        expect(page.locator("#tile-3 .mark")).to_have_text(STARS[3])

        page.select_option("#label", "4")
        expect(page.locator("#list .tile")).to_have_count(1)
        page.select_option("#label", "keep")
        expect(page.locator("#list .tile")).to_have_count(2)
        page.select_option("#label", "undecided")
        expect(page.locator("#list .tile .name")).to_have_text(names[2])

        page.locator("#list .tile").click()
        expect(page.locator("#stars [value='3']")).to_have_attribute("aria-pressed", "true")
        assert not serious(page)
        page.click("#stars [value='5']")  # it goes on to the next image, as a key does
        page.keyboard.press("Escape")
        page.click("#reset")
        expect(page.locator("#tile-2 .mark")).to_have_text(STARS[4])
        page.keyboard.press("u")
        expect(page.locator("#tile-2 .mark")).to_have_text(STARS[2])
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_contain_text("give stars")
        assert not serious(page)
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        expect(page.locator("#next")).to_be_visible()
        page.keyboard.press("p")
        expect(page.locator("#order")).to_be_visible()


def test_report_shows_stars_and_digits_switch_the_tab(labelled_inbox: Path, page: "Page") -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    files = sorted(labelled_inbox.glob("sun*"))[:3]
    for stars, file in zip("245", files, strict=True):
        assert imgscore("label", stars, file).code == 0
    row = imgscore("report", "--quick", "--json").row
    page.goto(Path(row["page"]).as_uri())
    marks = page.locator("#list .mark")
    expect(marks).to_have_count(3)
    assert sorted(marks.all_text_contents()) == [STARS[1], STARS[3], STARS[4]]
    assert not serious(page)
    page.keyboard.press("2")
    expect(page.locator("#suspects")).to_be_visible()
    expect(page.locator("#compare")).to_be_hidden()
