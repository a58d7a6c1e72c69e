"""`imgscore review` opens before its thumbnails are made: those on the screen are made first."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from imgscore import paths
from imgscore.cli.review_thumbnails import BATCH, ReviewThumbnails
from imgscore.verbs.thumbnails import thumbnails_folder
from tests.conftest import put
from tests.support.commands import Start, imgscore
from tests.support.reviews import Visitor, images_of, reviewing


def sha256(file: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def finished(visitor: Visitor, base: str, count: int) -> tuple[list[str], list[str]]:
    """Wait for `count` finished thumbnails; gives the sha256 of the made and the failed ones."""
    at = 0
    made: list[str] = []
    failed: list[str] = []
    while len(made) + len(failed) < count:
        status, _, body = visitor.ask(f"{base}finished/{at}")
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        at = answer["at"]
        made += answer["made"]
        failed += answer["failed"]
    return made, failed


@pytest.mark.parametrize("with_daemon", [False, True])
def test_review_without_thumbnails_opens_and_then_makes_each_once(
    labelled_inbox: Path, start: Start, with_daemon: bool
) -> None:
    assert imgscore("scan").code == 0
    if with_daemon:
        start()
        assert imgscore("wait").code == 0
    digest = sha256(labelled_inbox / "sun-005.jpg")
    with reviewing() as url:
        visitor = Visitor(url)
        base, data = visitor.begin(url)
        shown = images_of(data).values()
        assert sorted(data["unmade"]) == [number for number, _ in shown]
        missing = [digest for _, digest in shown]
        made, failed = finished(visitor, base, len(missing))
        assert sorted(made) == sorted(missing) and not failed
        assert visitor.ask(f"{base}thumbnails/{digest}.webp")[2][8:12] == b"WEBP"
        assert json.loads(visitor.ask(f"{base}renew", {"groups": False})[2])["unmade"] == []
    with reviewing() as url:
        assert Visitor(url).begin(url)[1]["unmade"] == []


def test_review_thumbnails_of_a_changed_file_fail_and_the_others_are_made(inbox: Path) -> None:
    images = [(sha256(file), str(file)) for file in put(inbox, "sun", 4)]
    Path(images[1][1]).unlink()
    Path(images[2][1]).write_bytes(b"other")
    making = ReviewThumbnails(bytes(thumbnails_folder()))
    try:
        assert making.missing(digest for digest, _ in images) == {digest for digest, _ in images}
        making.show(images)
        made: set[str] = set()
        failed: set[str] = set()
        at = 0
        while len(made) + len(failed) < 4:
            answer = making.finished_after(at)
            at, made, failed = answer.at, made | {*answer.made}, failed | {*answer.failed}
        assert failed == {images[1][0], images[2][0]}
        assert not making.missing(
            digest for digest, _ in images
        )  # a file that failed is not tried again
    finally:
        making.end()
    assert {file.stem for file in (paths.report_folder() / "thumbnails").iterdir()} == made


def test_review_thumbnails_that_the_page_shows_are_made_before_the_others(inbox: Path) -> None:
    images = [(sha256(file), str(file)) for file in put(inbox, "sun", 5 * BATCH)]
    wanted = [digest for digest, _ in images[-BATCH:]]
    making = ReviewThumbnails(bytes(thumbnails_folder()))
    try:
        with making._changed:  # The thread begins when both are known.
            making.show(images)
            making.want(wanted)
        order: list[str] = []
        while len(order) < len(images):
            order += making.finished_after(len(order)).made
        assert set(wanted) == set(order[:BATCH])
        assert len(set(order)) == len(order)
    finally:
        making.end()


def test_review_thumbnails_that_are_ended_stop_at_once(inbox: Path) -> None:
    images = [(sha256(file), str(file)) for file in put(inbox, "sun", 5 * BATCH)]
    making = ReviewThumbnails(bytes(thumbnails_folder()))
    making.show(images)
    making.finished_after(0)
    making.end()
    made = len(list((paths.report_folder() / "thumbnails").iterdir()))
    assert made < len(images)
    assert making.finished_after(0).at <= made
    assert making.finished_after(len(images)).made == []  # it does not wait


def test_review_whose_data_cannot_be_written_has_printed_its_address_before(
    labelled_inbox: Path,
) -> None:
    """The browser can start while the data are gathered."""
    assert imgscore("scan").code == 0
    data = thumbnails_folder().with_name("default.json")
    data.unlink(missing_ok=True)
    data.mkdir()
    done = imgscore("review", "--no-open")
    assert done.code == 1 and done.out.startswith("http://127.0.0.1:")
    assert f"report/{data.name}: cannot be written" in done.err
