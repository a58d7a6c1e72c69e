"""The page in Firefox: a report as a file, and a review."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import imgscore
from tests.support.reviews import history, reviewing
from tests.support.similar_images import put_alike, store_groups

TOOLS = Path(__file__).parents[2] / "tools/js"


def seen(address: str) -> dict[str, Any]:
    """Use the page in Firefox; gives what it shows."""
    node, firefox = shutil.which("node"), shutil.which("firefox-esr")
    if node is None or firefox is None:
        pytest.skip("apt install nodejs firefox-esr")
    if not (TOOLS / "node_modules/puppeteer-core").exists():
        pytest.skip("make lint-page")
    done = subprocess.run(
        [node, TOOLS / "firefox.mjs", address, firefox],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["problems"] == [] and answer["wide"] == []
    return answer


def test_report_file_in_firefox_shows_and_zooms_the_images(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    file = Path(imgscore("report", "--quick", "--json").row["page"])
    shown = seen(file.as_uri())
    assert shown["tiles"] == 12 and shown["count"] == "12 of 18 images"
    assert "sun" in shown["name"] and shown["zoom"] == "100 %"


def test_review_in_firefox_explains_labels_and_undoes(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    with reviewing() as url:
        shown = seen(url)
    assert "Similar images that you keep" in shown["reasons"]
    assert shown["progress"].startswith("7 labels, 1 of them now")


def test_review_in_firefox_keeps_an_image_of_a_group_and_undoes(labelled_inbox: Path) -> None:
    images = put_alike(labelled_inbox, "sea", 3)
    assert imgscore("scan").code == 0
    store_groups(images)
    with reviewing() as url:
        shown = seen(url)
    assert shown["zoomed"]
    assert [row["label"] for row in imgscore("score", *images, "--json").rows] == [None] * 3
    changes = [row["label"] for row in history() if row.get("source") == "cli"]
    assert changes.count("keep") == 2 and changes.count("trash") >= 1, "one image by the viewer"
