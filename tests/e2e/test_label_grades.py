"""Labels with grades: the command `label` with stars, and folders that teach a grade."""

import os
import signal
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore

STARS = [
    ("-1", "trash", 0.0), ("reject", "trash", 0.0), ("1", "trash", 0.1), ("2", "trash", 0.3),
    ("3", "undecided", 0.5), ("4", "keep", 0.7), ("5", "keep", 0.9), ("keep", "keep", 1.0),
    ("trash", "trash", 0.0), ("0", None, None), ("clear", None, None),
]  # fmt: skip


@pytest.mark.core
@pytest.mark.parametrize("running", [True, False])
def test_label_stars_are_in_each_row_about_the_image(
    inbox: Path, start: Start, running: bool
) -> None:
    (image,) = put(inbox, "sun", 1)
    if running:
        start()
    for text, name, grade in STARS:
        row = imgscore("label", text, image, "--json").row
        assert (row["label"], row["grade"], row["error"]) == (name, grade, None)
        scored = imgscore("score", image, "--json").row
        assert (scored["label"], scored["grade"]) == (name, grade)
    history = imgscore("history", "--json").rows
    # A label that the image has already is not logged again.
    assert [(row["label"], row["grade"]) for row in reversed(history)] == [
        (name or "clear", grade) for text, name, grade in STARS if text not in ("reject", "clear")
    ]
    undone = imgscore("undo", "label", "--json").row
    assert (undone["label"], undone["grade"], undone["was"]) == ("trash", 0, "clear")
    assert imgscore("undo", "label").out.startswith("trash → keep")
    imgscore("label", "4", image)
    assert "4 stars" in imgscore("history", "-n", "1").out


@pytest.mark.parametrize("text", ["6", "-2", "4.5", "", "good"])
def test_label_another_text_is_a_usage_error(inbox: Path, text: str) -> None:
    (image,) = put(inbox, "sun", 1)
    assert imgscore("label", text, image).code == 2
    assert imgscore("history", "--json").rows == []


def test_label_minus_1_after_the_label_is_a_file(inbox: Path) -> None:
    done = imgscore("label", "keep", "-1")
    assert done.code == 2 and "-1" in done.err


def _graded(grades: str) -> None:
    config = paths.config_file()
    text = config.read_text().replace("[[watch]]", f"[[watch]]\ngrades = {grades}", 1)
    config.write_text(text)


@pytest.mark.core
def test_graded_folders_teach_and_order_while_the_daemon_runs(
    inbox: Path, tmp_path: Path, start: Start
) -> None:
    good = tmp_path / "good photos"
    for folder in (good, inbox / "poor"):
        folder.mkdir()
    loved, disliked = put(good, "sun", 6), put(inbox / "poor", "text", 6)
    new = [*put(inbox, "sun", 3, first=50), *put(inbox, "text", 3, first=50)]
    daemon = start()
    daemon.settle()
    assert imgscore("history", "--json").rows == []
    _graded(f'{{ "5" = "{good}", "2" = ["poor", "worse"] }}')
    os.kill(daemon.status()["pid"], signal.SIGHUP)  # The daemon reads the config again.

    def watch() -> dict:  # type: ignore[type-arg]
        return daemon.status()["watches"][0]

    eventually(lambda: watch()["labels"] == {"keep": 6, "trash": 6}, what=watch)
    daemon.settle()
    assert watch()["graded"] == {"5 stars": 6, "2 stars": 6}
    assert (watch()["keep"], watch()["trash"], watch()["files"]) == (0, 0, len(new))
    assert {row["grade"] for row in imgscore("score", *loved, "--json").rows} == {0.9}
    assert {row["grade"] for row in imgscore("score", *disliked, "--json").rows} == {0.3}

    def in_order() -> bool:
        newest_first = sorted(new, key=lambda path: -path.stat().st_mtime)
        return [path.name[:3] for path in newest_first] == ["sun"] * 3 + ["tex"] * 3

    eventually(in_order)
    assert "6 in 5 stars" in imgscore("status").out
    (inbox / "worse").mkdir()
    new[0].rename(inbox / "worse" / new[0].name)  # a folder that is made later teaches, too
    eventually(lambda: watch()["labels"] == {"keep": 6, "trash": 7}, what=watch)


def test_import_labels_stars_and_two_grades_are_enough_to_train(
    inbox: Path, tmp_path: Path
) -> None:
    """Nothing is trash: four and five stars, and three stars, also make an order."""
    folders = {"5": "sun", "4": "text", "3": "text"}
    for stars, kind in folders.items():
        (tmp_path / stars).mkdir()
        put(tmp_path / stars, kind, 6, first=int(stars) * 20)
    put(inbox, "sun", 2)
    few = imgscore("import-labels", "--stars", f"5={tmp_path}/5", "--json")
    assert (few.code, few.row["keep"]) == (0, 6)
    assert imgscore("status", "--json").row["watches"][0]["state"] == "needs 2 more trash"
    too_few = imgscore("train")
    assert too_few.code == 1 and "2 more trash" in too_few.err
    assert "a lower label than the others" in too_few.err
    done = imgscore(
        "import-labels", "--stars", f"4={tmp_path}/4", "--stars", f"3={tmp_path}/3", "--json"
    )
    assert (done.row["keep"], done.row["undecided"], done.row["trash"]) == (6, 6, 0)
    (watch,) = imgscore("status", "--json").row["watches"]
    assert (watch["state"], watch["undecided"]) == ("ok", 6) and watch["head"]
    scores = {stars: imgscore("score", f"{tmp_path}/{stars}", "--json").rows for stars in folders}
    means = {stars: sum(row["score"] for row in rows) / 6 for stars, rows in scores.items()}
    assert means["5"] > means["4"] and means["5"] > means["3"]
    assert imgscore("import-labels", "--stars", "4").code == 2
