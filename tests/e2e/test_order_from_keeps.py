"""An order from the first kept image on, before any image is in trash/."""

import os
from pathlib import Path

import pytest

from imgscore.testing import Sandbox, eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore, newest_first


@pytest.fixture
def learns(sandbox: Sandbox, inbox: Path) -> Path:
    """The inbox of a config that does not switch `order_from_keeps` off."""
    text = sandbox.config_file.read_text()
    sandbox.config_file.write_text(
        text.replace("order_from_keeps = false\n", "").replace(
            "[[watch]]\n", '[[watch]]\ngroups = "off"\n'
        )
    )
    return inbox


def test_first_move_to_keep_changes_the_order_until_trash_labels_come(
    learns: Path, start: Start
) -> None:
    suns, moons = put(learns, "sun", 9), put(learns, "moon", 9)
    daemon = start()
    daemon.settle()
    dates = {path: path.stat().st_mtime_ns for path in (*suns, *moons)}
    os.rename(suns[0], learns / "keep" / suns[0].name)
    eventually(lambda: imgscore("heads", "list", "--json").rows)
    daemon.settle()
    assert all(name.startswith("sun") for name in newest_first(learns)[:5])
    row = imgscore("heads", "list", "--json").row
    assert (row["labels"], row["report"]["calibrated"]) == (1, False)
    state = imgscore("status", "--json").row["watches"][0]["state"]
    assert state == "needs 1 more keep and 2 more trash"
    text = imgscore("status").out
    assert "ordered with few labels" in text and "for a better order, move at least 1 image" in text
    trained = imgscore("train", "--json")
    assert trained.code == 0 and trained.row["report"]["reason"].startswith("made of keep labels")
    assert imgscore("explain", suns[3], "--json").code == 0
    for source, label in ((suns[1], "keep"), (moons[0], "trash"), (moons[1], "trash")):
        os.rename(source, learns / label / source.name)
    eventually(lambda: imgscore("status", "--json").row["watches"][0]["state"] == "ok")
    daemon.settle()
    assert imgscore("heads", "list", "--json").rows[-1]["report"]["calibrated"] is True
    assert imgscore("restore-times").code == 0
    kept = [path for path in dates if path.exists()]
    assert {path: path.stat().st_mtime_ns for path in kept} == {path: dates[path] for path in kept}


def test_trash_alone_makes_no_order(learns: Path, start: Start) -> None:
    moons = put(learns, "moon", 6)
    daemon = start()
    daemon.settle()
    os.rename(moons[0], learns / "trash" / moons[0].name)
    eventually(
        lambda: imgscore("status", "--json").row["watches"][0]["state"].endswith("1 more trash")
    )
    daemon.settle()
    assert not imgscore("heads", "list", "--json").rows
    assert imgscore("train").code == 1
