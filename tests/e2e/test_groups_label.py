"""`imgscore groups --label best`: labels, dry run and undo, with a daemon and without."""

from pathlib import Path

import pytest

from tests.support.commands import Start, imgscore
from tests.support.similar_images import put_alike, store_groups


def labels_of(*paths: Path) -> list[str | None]:
    return [row["label"] for row in imgscore("score", *paths, "--json").rows]


@pytest.mark.parametrize("with_daemon", [False, True])
def test_groups_label_best_labels_and_one_undo_takes_all_back(
    inbox: Path, start: Start, with_daemon: bool
) -> None:
    first, second = put_alike(inbox, "sea", 3), put_alike(inbox, "hill \u202e", 2)
    assert imgscore("scan").code == 0
    store_groups(first, second)
    if with_daemon:
        start().settle()
    before = sorted(path.name for path in inbox.rglob("*"))

    dry = imgscore("groups", "--label", "best", "--dry-run")
    assert dry.code == 0, dry.err
    assert f"would keep  {first[0]}" in dry.out and f"would trash  {first[2]}" in dry.out
    assert "\u202e" not in dry.out and "undo" not in dry.err
    assert labels_of(*first, *second) == [None] * 5

    planned = imgscore("groups", "--label", "best", "--dry-run", "--json").rows
    rows = imgscore("groups", "--label", "best", "--json").rows
    assert [row | {"dry_run": True} for row in rows] == planned
    # The sequence of the groups is that in which the workers finished the images.
    trashed = {Path(row["keep"]).name: len(row["trash"]) for row in rows}
    assert len(rows) == 2 and trashed == {first[0].name: 2, second[0].name: 1}
    assert labels_of(*first, *second) == ["keep", "trash", "trash", "keep", "trash"]
    assert sorted(path.name for path in inbox.rglob("*")) == before, "no file was moved"

    again = imgscore("groups", "--label", "best")
    assert (again.code, again.out) == (0, "") and "no group has an image to label" in again.err
    undone = imgscore("undo", "label", "--json").row
    assert (undone["was"], undone["others"]) == ("keep", 4)
    assert labels_of(*first, *second) == [None] * 5


def test_groups_label_best_labels_stay_and_conflicts_are_skipped(inbox: Path) -> None:
    first, second = put_alike(inbox, "sea", 3), put_alike(inbox, "hill", 2)
    assert imgscore("scan").code == 0
    store_groups(first, second)
    assert imgscore("label", "keep", first[1]).code == 0
    assert imgscore("label", "trash", second[0]).code == 0
    done = imgscore("groups", "--label", "best")
    assert done.code == 0
    assert f"has keep  {first[1]}" in done.out and f"trash  {first[0]}" in done.out
    assert "skipped: the best image already has the label trash" in done.out
    assert "1 group: 0 got keep, 2 got trash" in done.err and "1 group was skipped" in done.err
    assert "imgscore undo label" in done.err
    assert labels_of(*first, *second) == ["trash", "keep", "trash", "trash", None]


def test_groups_label_best_then_apply_moves_the_files(inbox: Path) -> None:
    images = put_alike(inbox, "sea", 3)
    assert imgscore("scan").code == 0
    store_groups(images)
    assert imgscore("groups", inbox, "--label", "best", "--kind", "near-duplicates").code == 0
    assert imgscore("apply").code == 0
    assert [path.name for path in (inbox / "keep").iterdir()] == [images[0].name]
    assert len(list((inbox / "trash").iterdir())) == 2
    assert imgscore("scan").code == 0
    assert imgscore("groups", "--label", "best").out == "", "one image is no group"


def test_groups_label_wrong_options_say_what_to_do(inbox: Path) -> None:
    copies = imgscore("groups", "--label", "best", "--kind", "copies")
    assert copies.code == 2 and "share one label" in copies.err
    assert imgscore("groups", "--label", "worst").code == 2
    dry = imgscore("groups", "--dry-run")
    assert dry.code == 2 and "--label best" in dry.err
    burst = imgscore("groups", "--label", "best", "--kind", "bursts")
    assert (burst.code, burst.out) == (0, "")
