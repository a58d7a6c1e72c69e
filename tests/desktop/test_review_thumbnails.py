"""Chromium shows thumbnails that are made while the review is open."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import put
from tests.support.commands import imgscore
from tests.support.reviews import reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = 60
SHOWN = """() => [...document.querySelectorAll("#list .tile")].every((tile) => {
  const box = tile.getBoundingClientRect();
  if (box.bottom <= 0 || box.top >= innerHeight) return true;
  const picture = tile.querySelector("img");
  return picture && picture.complete && picture.naturalWidth > 0;
})"""


def test_review_page_before_the_thumbnails_shows_each_when_it_is_made(
    inbox: Path, page: "Page"
) -> None:
    put(inbox, "sun", IMAGES)
    assert imgscore("scan").code == 0
    answers: list[tuple[str, int]] = []
    asked: list[list[str]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    page.on(
        "request",
        lambda request: (
            asked.append(request.post_data_json["sha256"])
            if request.url.endswith("/thumbnails")
            else None
        ),
    )
    with reviewing() as url:
        page.goto(url)
        page.wait_for_selector("#list .tile")
        page.wait_for_function(SHOWN)
        page.keyboard.press("End")
        page.wait_for_function(SHOWN)
        last = page.locator("#list .tile.selected")
        assert last.get_attribute("aria-posinset") == str(IMAGES)
        last.click()
        page.wait_for_function("document.getElementById('large').naturalWidth > 0")
    assert page.locator(".no-thumbnail").count() == 0
    thumbnails = [answer for answer in answers if answer[0].endswith(".webp")]
    assert {status for _, status in thumbnails} == {200}
    assert max(Counter(asked_url for asked_url, _ in thumbnails).values()) == 1
    assert asked and all(len(set(digests)) == len(digests) for digests in asked)


def test_review_page_of_a_deleted_file_shows_its_name_instead_of_a_thumbnail(
    inbox: Path, page: "Page"
) -> None:
    files = put(inbox, "sun", 4)
    assert imgscore("scan").code == 0
    with reviewing() as url:
        for file in files:
            file.unlink()  # no thumbnail can be made any more, or was made just now
        page.goto(url)
        page.wait_for_function(
            """() => [...document.querySelectorAll("#list .tile")].every((tile) =>
              tile.classList.contains("no-thumbnail") || tile.querySelector("img").naturalWidth > 0)
              && document.querySelector("#list .tile")"""
        )
