"""The tab Compare of the review: keys, clicks, undo, four images, and a session of 100 answers."""

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imgscore.testing import eventually
from tests.desktop.test_report import serious
from tests.support.commands import BIN, Start, imgscore
from tests.support.reviews import Visitor, images_of, reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANSWERS = 100
"""The number of answers of the session."""


def shown(page: "Page") -> list[str]:
    """The names of the images that are shown side by side."""
    labels = [choice.get_attribute("aria-label") or "" for choice in page.locator(".choice").all()]
    return [label.partition(": ")[2] for label in labels]


def comparisons() -> list[dict[str, Any]]:
    """The comparisons of `imgscore history`, newest first."""
    rows = imgscore("history", "-n", "1000", "--json").rows
    return [row for row in rows if row["what"] == "compare"]


def stored(page: "Page", answers: int) -> None:
    """Wait until the server has stored all answers, and assert their number."""
    from playwright.sync_api import expect

    expect(page.locator("#answers")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#answers")).to_have_text(f"{answers} answer{'s' * (answers != 1)}")


def press(page: "Page", key: str, answers: int) -> None:
    """Press a key, and wait until the page shows other images. `answers`: the new number."""
    from playwright.sync_api import expect

    page.keyboard.press(key)
    expect(page.locator("#answers")).to_have_text(f"{answers} answer{'s' * (answers != 1)}")
    expect(page.locator(".choice")).to_have_count(2)


def test_compare_server_strangers_and_wrong_requests_are_refused(labelled_inbox: Path) -> None:
    """The requests have the checks that the request `label` has."""
    assert imgscore("scan").code == 0
    with reviewing() as url:
        stranger, owner = Visitor(url), Visitor(url)
        origin = f"http://{owner.host}"
        base, data = owner.begin(url)
        first, second = (digest for _, digest in list(images_of(data).values())[:2])
        requests = {
            "pairs": {"size": 2, "exclude": []},
            "compare": {"answers": [{"first": first, "second": second, "answer": "first"}]},
            "withdraw": {"numbers": [1]},
        }
        for what, body in requests.items():
            for wrong in (
                {"Origin": "http://evil.example"},
                {"Origin": "null"},
                {"Host": "evil.example"},
                {"Sec_Fetch_Site": "cross-site"},
                {"Cookie": "imgscore=guess"},
            ):
                assert owner.ask(base + what, body, **wrong)[0] == 403, (what, wrong)
            assert owner.ask(base + what, body, Content_Type="text/plain")[0] == 415
            assert stranger.ask(base + what, body, Origin=origin)[0] == 403
            assert owner.ask(base + what)[0] in (403, 404), "no GET"
        pair = {"first": first, "second": second, "answer": "first"}
        for wrong_body in (
            {},
            [],
            {"answers": []},
            {"answers": [{**pair, "answer": "better"}]},
            {"answers": [{**pair, "first": "00" * 32}]},
            {"answers": [{**pair, "first": "/etc/passwd"}]},
            {"answers": [{**pair, "more": 1}]},
            {"answers": [pair] * 3000},
        ):
            assert owner.ask(base + "compare", wrong_body)[0] == 400, wrong_body
        assert owner.ask(base + "pairs", {"size": 2, "exclude": [[first]]})[0] == 400
        assert owner.ask(base + "withdraw", {"numbers": [1]})[0] == 409, "not of this review"
        assert not comparisons()
        status, _, body = owner.ask(base + "compare", requests["compare"])
        assert status == 200 and json.loads(body)["count"] == 1
        numbers = json.loads(body)["numbers"]
        assert owner.ask(base + "withdraw", {"numbers": numbers})[0] == 200
        assert owner.ask(base + "withdraw", {"numbers": numbers})[0] == 409, "undone before"
        assert [row["answer"] for row in comparisons()] == ["clear", "first"]


@pytest.mark.parametrize("with_daemon", [False, True])
def test_compare_keys_record_answers_and_undo(
    labelled_inbox: Path, start: Start, page: "Page", with_daemon: bool
) -> None:
    from playwright.sync_api import expect

    if with_daemon:
        start().settle()
    else:
        assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        pairs = []
        for count, key in enumerate(("ArrowLeft", "ArrowRight", "1", "2", "s"), start=1):
            pairs.append(shown(page))
            press(page, key, count)
        pairs.append(shown(page))
        press(page, " ", 5)
        assert len({frozenset(pair) for pair in pairs}) == 6
        stored(page, 5)
        rows = comparisons()[::-1]
        names = [[Path(row[key]).name for key in ("path", "second_path")] for row in rows]
        answers = [row["answer"] for row in rows]
        assert names == pairs
        assert answers == ["first", "second", "first", "second", "same", "skip"]

        after = shown(page)
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text("Undone")
        assert shown(page) == pairs[5]
        press(page, "ArrowLeft", 6)
        assert shown(page) == after, "the pair that was replaced is shown again"
        for count in (5, 4):
            page.keyboard.press("u")
            expect(page.locator("#answers")).to_have_text(f"{count} answers")
        assert shown(page) == pairs[4]

        page.locator(".choice").nth(1).click()
        expect(page.locator("#answers")).to_have_text("5 answers")
        expect(page.locator(".choice")).to_have_count(2)
        page.keyboard.press(" ")  # it skips, although a click came before it
        stored(page, 5)
    assert [row["answer"] for row in comparisons()[:2]] == ["skip", "second"]


def test_compare_command_opens_the_tab(labelled_inbox: Path, page: "Page") -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    command = [BIN / "imgscore", "compare", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            page.goto(process.stdout.readline().decode().strip())
            expect(page.locator(".choice")).to_have_count(2)
            press(page, "ArrowLeft", 1)
            stored(page, 1)
        finally:
            process.terminate()
        assert process.wait(timeout=60) == 0
    assert len(comparisons()) == 1


def test_compare_new_order_keeps_the_images_and_the_undo(
    labelled_inbox: Path, start: Start, page: "Page"
) -> None:
    """A new order gives the images of the page new numbers."""
    from playwright.sync_api import expect

    start().settle()
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        first = shown(page)
        for count in range(1, 4):
            press(page, "ArrowLeft", count)
        present = shown(page)
        page.wait_for_selector("#renew:visible")
        assert shown(page) == present, "the offer changes nothing"
        page.click("#renew")
        expect(page.locator("#status")).to_contain_text("This is the order of head")
        assert shown(page) == present
        press(page, "ArrowRight", 4)
        for count in (3, 2, 1, 0):
            page.keyboard.press("u")
            stored(page, count)
        assert shown(page) == first
        expect(page.locator(".choice img").first).to_have_attribute("src", re.compile("^image/"))


def test_compare_answer_is_stored_if_the_page_is_closed_at_once(
    labelled_inbox: Path, page: "Page"
) -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        page.keyboard.press("ArrowLeft")
        page.close()
        eventually(lambda: len(comparisons()) == 1, what="the answer is stored")


def test_compare_four_images_record_three_pairs(labelled_inbox: Path, page: "Page") -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        page.keyboard.press("f")
        expect(page.locator(".choice")).to_have_count(4)
        names = shown(page)
        page.keyboard.press("3")
        stored(page, 3)
        rows = comparisons()
        assert {Path(row["path"]).name for row in rows} == {names[2]}
        assert {Path(row["second_path"]).name for row in rows} == {*names} - {names[2]}
        assert {row["answer"] for row in rows} == {"first"}
        page.keyboard.press("u")
        stored(page, 0)
        assert shown(page) == names
        page.keyboard.press("f")
        expect(page.locator(".choice")).to_have_count(2)


def test_compare_with_nothing_left_says_so(inbox: Path, page: "Page") -> None:
    from playwright.sync_api import expect

    tinted(inbox, 2)
    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#choices")).to_have_text("There is nothing left to compare.")
        expect(page.locator("#answers")).to_have_text("1 answer")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("u")
        expect(page.locator(".choice")).to_have_count(2)


def test_compare_with_an_answer_that_is_cut_off_says_so(inbox: Path, page: "Page") -> None:
    """A review that ends while it answers: the page keeps its number of answers."""
    from playwright.sync_api import expect

    tinted(inbox, 2)
    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        expect(page.locator(".choice")).to_have_count(2)
        number = expect(page.locator("#answers"))
        page.keyboard.press("ArrowLeft")
        number.to_have_text("1 answer")
        page.route("**/withdraw", lambda route: route.fulfill(status=200, body='{"cou'))
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text("Could not undo")
        number.to_have_text("1 answer")


def test_compare_page_is_accessible_and_nothing_moves(labelled_inbox: Path, page: "Page") -> None:
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=compare]")
        for size in (2, 4):
            expect(page.locator(".choice")).to_have_count(size)
            for _ in range(2):
                assert not serious(page)
                page.click("#theme")
            page.keyboard.press("f")
        for width, height in ((390, 844), (600, 400), (1280, 800), (2560, 1440)):
            page.set_viewport_size({"width": width, "height": height})
            expect(page.locator(".choice")).to_have_count(2)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, width
            boxes = [choice.bounding_box() for choice in page.locator(".choice").all()]
            buttons = [button.bounding_box() for button in page.locator("#compare button").all()]
            assert all(box and box["width"] >= 150 and box["height"] >= 100 for box in boxes)
            page.keyboard.press("ArrowRight")
            expect(page.locator(".choice")).to_have_count(2)
            moved = [button.bounding_box() for button in page.locator("#compare button").all()]
            assert moved == buttons, "a button moved"


def tinted(folder: Path, count: int) -> list[str]:
    """Save pictures whose background goes from blue to orange; returns their names in this order.

    The names say nothing about the colour.
    """
    random = np.random.default_rng(7)
    names = [f"{number:03d}.png" for number in random.permutation(count)]
    for place, name in enumerate(names):
        share = place / max(1, count - 1)
        ends = np.array([[30, 60, 200], [250, 150, 30]])
        colour = tuple(np.rint(ends[0] * (1 - share) + ends[1] * share).astype(int).tolist())
        image = Image.new("RGB", (240, 180), colour)
        pen = ImageDraw.Draw(image)
        for _ in range(6):
            x, y, r = random.integers(0, 200), random.integers(0, 150), random.integers(8, 30)
            grey = int(random.integers(60, 200))
            pen.ellipse((x, y, x + r, y + r), fill=(grey, grey, grey))
        image.save(folder / name)
    return names


def rank_correlation(names: list[str], inbox: Path) -> float:
    """Spearman's correlation between the taste, which likes the last names best, and the scores."""
    rows = imgscore("score", *(inbox / name for name in names), "--json").rows
    ranks = np.argsort(np.argsort([row["score"] for row in rows]))
    return float(np.corrcoef(ranks, np.arange(len(names)))[0, 1])


def test_compare_session_of_100_pairs_improves_the_order(inbox: Path, page: "Page") -> None:
    """A person with a known taste answers with keys only. Before, four labels made an order."""
    from playwright.sync_api import expect

    names = tinted(inbox, 60)
    place = {name: number for number, name in enumerate(names)}
    for number, folder in ((25, "trash"), (33, "keep"), (29, "trash"), (37, "keep")):
        (inbox / names[number]).rename(inbox / folder / names[number])
    assert imgscore("scan").code == 0
    open_names = [name for name in names if (inbox / name).exists()]
    before = rank_correlation(open_names, inbox)
    asked: set[frozenset[str]] = set()
    with reviewing() as url:
        page.goto(url)
        page.keyboard.press("n")  # the next tab
        page.keyboard.press("n")
        expect(page.locator(".choice")).to_have_count(2)
        for number in range(1, ANSWERS + 1):
            first, second = shown(page)
            assert frozenset((first, second)) not in asked, "a pair was shown twice"
            asked.add(frozenset((first, second)))
            press(page, "ArrowLeft" if place[first] > place[second] else "ArrowRight", number)
        stored(page, ANSWERS)
    assert len(comparisons()) == ANSWERS
    assert imgscore("train").code == 0
    after = rank_correlation(open_names, inbox)
    assert after > 0.8, (before, after)
    assert after > before, (before, after)
