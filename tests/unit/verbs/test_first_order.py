"""The texts that lead a user to the first order."""

import msgspec
import pytest

from imgscore.cli.commands.status import describe
from imgscore.verbs.first_order import next_steps, ordered_inbox, what_to_do
from imgscore.verbs.status import LabelCounts, WatchStatus
from tests.support.statuses import make_status, make_watch

COLUMNS = 80


def _needing(keep: int, trash: int, files: int = 292) -> WatchStatus:
    """A watch with these labels, which are too few."""
    return make_watch("/p/inbox", files=files, state="needs …", labels=LabelCounts(keep, trash))


@pytest.mark.parametrize(
    ("watch", "text"),
    [
        (
            _needing(0, 0),
            "move at least 2 images that you like into keep/ and 2 others into trash/",
        ),
        (_needing(1, 2), "move at least 1 image that you like into keep/"),
        (_needing(2, 0), "move at least 2 images that you do not like into trash/"),
        (_needing(0, 0, files=0), "put images into this folder"),
        (make_watch(files=9), None),
    ],
)
def test_what_to_do_names_the_missing_labels(watch: WatchStatus, text: str | None) -> None:
    assert what_to_do(watch) == text


@pytest.mark.parametrize(
    ("keep_folder", "trash_folder", "text"),
    [
        ("Selected", "trash", "2 images into Selected/ and 2 into trash/"),
        ("/mnt/disk/best", "\x1b[2J", "2 images into /mnt/disk/best/ and 2 into \\x1b[2J/"),
        (
            "best of all years",
            "/srv/photographs/no",
            "2 images into a keep folder and 2 into a trash folder",
        ),
    ],
)
def test_what_to_do_other_label_folders_are_named_in_80_columns(
    keep_folder: str, trash_folder: str, text: str
) -> None:
    watch = msgspec.structs.replace(
        _needing(0, 0), keep_folder=keep_folder, trash_folder=trash_folder
    )
    assert what_to_do(watch) == f"move at least {text}"
    assert len(f"  next: move at least {text}") <= COLUMNS


def test_status_without_labels_says_what_to_do_in_80_columns() -> None:
    lines = describe(make_status(watches=[_needing(0, 0)])).splitlines()
    assert lines[1:] == [
        "/p/inbox: 292 images; 0 in keep, 0 in trash",
        "  next: move at least 2 images that you like into keep/ and 2 others into trash/",
    ]
    assert all(len(line) <= COLUMNS for line in lines)


def test_status_with_an_order_of_few_labels_says_what_makes_it_better() -> None:
    watch = msgspec.structs.replace(_needing(3, 0, files=300), head="1", scored=300, keep=1)
    lines = describe(make_status(watches=[watch])).splitlines()
    assert lines[1:] == [
        "/p/inbox: 300 images, 300 scored; 1 in keep, 0 in trash; labels: 3 keep, 0 trash; "
        "ordered with few labels",
        "  for a better order, move at least 2 images that you do not like into trash/",
    ]


def test_status_with_labels_of_the_review_counts_them() -> None:
    watch = make_watch("/p/inbox", files=9, scored=9, keep=1, trash=2, labels=LabelCounts(12, 30))
    assert "; labels: 12 keep, 30 trash; ok" in describe(make_status(watches=[watch]))
    watch = msgspec.structs.replace(watch, labels=LabelCounts(1, 2))
    assert "labels:" not in describe(make_status(watches=[watch]))
    watch = msgspec.structs.replace(watch, undecided=1)
    assert "; labels: 1 keep, 2 trash, 1 undecided; ok" in describe(make_status(watches=[watch]))


def test_next_steps_lead_from_reading_to_the_first_order() -> None:
    todo = "next: move at least 2 images that you like into keep/ and 2 others into trash/"
    ready = make_watch(files=20, keep=2, trash=2, labels=LabelCounts(2, 2))
    for status, steps in (
        (make_status(watches=[_needing(0, 0, files=0)]), ["next: put images into this folder"]),
        (
            make_status(watches=[_needing(0, 0, files=9)], pending=283),
            ["reading images: 9 read, 283 left", todo],
        ),
        (make_status(watches=[_needing(0, 0)]), [todo]),
        (
            make_status(watches=[_needing(1, 0, files=1283)], pending=1283),
            [
                "reading images: 1,283 read, 1,283 left",
                "labels so far: 1 keep, 0 trash; 3 more until the first order",
                "next: move at least 1 image that you like into keep/ and 2 others into trash/",
            ],
        ),
        (
            make_status(watches=[ready], pending=2),
            ["reading images and learning: 2 items left", "labels so far: 2 keep, 2 trash"],
        ),
        (
            make_status(watches=[ready]),
            ["learning from your labels", "labels so far: 2 keep, 2 trash"],
        ),
        (
            make_status(watches=[make_watch(files=20, head="1")], pending=900),
            ["in order so far: 900 items left"],
        ),
        (
            make_status(watches=[make_watch(files=20, head="1")], pending=1),
            ["ordering: 1 item left"],
        ),
        (make_status(watches=[make_watch(files=20, head="1")]), []),
        (make_status(watches=[make_watch(state="offline")]), []),
        (make_status(state="paused", watches=[_needing(0, 0)]), []),
    ):
        assert next_steps(status) == steps
        assert all(len(step) < COLUMNS for step in steps)
    assert ordered_inbox(make_status(watches=[make_watch("/a"), ready])) is None
    assert ordered_inbox(make_status(watches=[make_watch("/a", files=1, head="1")])) == "/a"
