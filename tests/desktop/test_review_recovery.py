"""A review without a head, its tab Suspects, and an open page after the laptop has slept."""

from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore
from tests.support.reviews import history, reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_review_without_a_head_counts_the_labels_also_after_a_reload(
    inbox: Path, start: Start, page: "Page"
) -> None:
    from playwright.sync_api import expect

    put(inbox, "sun", 3)
    put(inbox, "text", 3)
    start().settle()
    progress = page.locator("#strip .progress")
    with reviewing() as url:
        page.goto(url)
        expect(progress).to_have_text("0 labels · for the first order, label 2 keep and 2 trash")
        expect(page.locator("#tile-0")).to_be_visible()
        assert page.is_hidden("#tile-0 .score") and page.is_hidden("#bars")
        for number, key in enumerate("tkt"):
            page.keyboard.press(key)
            eventually(lambda: len(history()) == number + 1)  # noqa: B023 - it is called at once
        page.reload()
        expect(progress).to_have_text("3 labels · for the first order, label 1 keep")
        page.keyboard.press("End")
        page.keyboard.press("k")
        expect(progress).to_have_text("4 labels, 1 of them now · enough for the first order")
        page.click("#renew", timeout=300_000)
        expect(page.locator("#tile-0 .score")).to_be_visible()
        page.click("#tabs [value=learning]")
        expect(page.locator("#learned")).to_contain_text("4 labels, 2 of them keep")
        expect(page.locator("#learned")).to_contain_text("reload the page")
        page.reload()
        page.click("#tabs [value=learning]")
        expect(page.locator("#learning svg").first).to_be_visible()


def test_review_on_a_phone_shows_the_count_and_the_present_tab(
    labelled_inbox: Path, start: Start, page: "Page"
) -> None:
    from playwright.sync_api import expect

    start().settle()
    page.set_viewport_size({"width": 390, "height": 844})
    with reviewing() as url:
        page.goto(url)
        for tab in ("order", "groups", "learning"):
            page.click(f"#tabs [value={tab}]")
            expect(page.locator("#strip .progress")).to_contain_text("6 labels")
            expect(page.locator("#hint-label")).to_be_hidden()
        page.set_viewport_size({"width": 320, "height": 700})
        assert imgscore("label", "keep", *sorted(labelled_inbox.glob("sun-*"))).code == 0
        page.click("#renew", timeout=300_000)
        expect(page.locator("#status")).to_contain_text("This is the order of head")
        expect(page.locator("#tabs [value=learning]")).to_be_in_viewport(ratio=0.9)


def test_review_suspects_wrong_label_is_shown_and_corrected(
    labelled_inbox: Path, page: "Page"
) -> None:
    from playwright.sync_api import expect

    wrong = next(labelled_inbox.glob("text-004.*"))
    assert imgscore("scan").code == 0
    for path in sorted(labelled_inbox.glob("sun-*")):
        assert imgscore("label", "keep", path).code == 0
    for path in sorted(labelled_inbox.glob("text-*")):
        assert imgscore("label", "keep" if path == wrong else "trash", path).code == 0
    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=suspects]")
        card = page.locator("#suspects article").filter(has_text=wrong.name)
        expect(card.locator(".why")).to_contain_text("labelled keep; its score from all other")
        assert 1 <= card.locator("figure").count() <= 4
        card.get_by_role("button", name="Label trash").click()
        eventually(lambda: history()[0]["path"] == str(wrong) and history()[0]["label"] == "trash")
        # The page shows the label at once.
        page.click("#tabs [value=order]")
        page.fill("#name", wrong.name)
        expect(page.locator("#tile-0 .mark")).to_have_text("trash")


def test_review_new_order_during_a_lost_connection_is_offered_after_it(
    labelled_inbox: Path, start: Start, page: "Page"
) -> None:
    from playwright.sync_api import Route, expect

    daemon = start()
    daemon.settle()
    with reviewing() as url:
        lost: list[str] = []

        def lose(route: Route) -> None:
            lost.append(route.request.url)
            route.abort("internetdisconnected")

        page.route("**/order/*", lose)
        page.goto(url)
        eventually(lambda: page.wait_for_timeout(50) is None and len(lost) >= 2)
        moved = put(labelled_inbox / "keep", "sun", 2, first=40)
        daemon.settle()
        added = put(labelled_inbox, "sun", 1, first=60)
        daemon.settle()
        assert page.is_hidden("#renew")
        page.unroute("**/order/*")
        expect(page.locator("#renew")).to_be_visible()
        page.click("#renew")
        expect(page.locator("#offer")).not_to_be_empty()
        expect(page.locator("#renew")).to_be_hidden()
        page.fill("#name", added[0].name)
        expect(page.locator("#count")).to_contain_text("1 of ")
        assert moved[0].exists()
