"""Images whose end is missing: incomplete for the time of a setting, then taken or damaged."""

from pathlib import Path

from imgscore import paths
from imgscore.testing import Row
from tests.conftest import draw
from tests.support.commands import Start, imgscore


def cut_off(folder: Path) -> None:
    """Save two JPEGs: `nearly.jpg` has no end marker, `half.jpg` lacks its second half."""
    draw("sun", 1).save(folder / "whole.jpg", quality=90)
    data = (folder / "whole.jpg").read_bytes()
    (folder / "nearly.jpg").write_bytes(data[:-2])
    (folder / "half.jpg").write_bytes(data[: len(data) // 2])


def reasons(status: Row) -> dict[str, str]:
    return {Path(row["path"]).name: row["reason"].partition(":")[0] for row in status["failed"]}


def test_daemon_cut_off_images_are_incomplete_at_first(inbox: Path, start: Start) -> None:
    daemon = start()
    cut_off(inbox)
    daemon.until(lambda status: len(status["failed"]) == 2)
    assert reasons(daemon.settle()) == {"nearly.jpg": "incomplete", "half.jpg": "incomplete"}


def test_daemon_cut_off_images_are_taken_or_damaged_after_a_while(
    inbox: Path, start: Start
) -> None:
    """No event and no scan causes the second attempt."""
    with paths.config_file().open("a") as file:
        file.write("incomplete = 3\n")
    daemon = start()
    cut_off(inbox)
    daemon.until(lambda status: reasons(status) == {"half.jpg": "damaged"})
    (row,) = imgscore("score", "--json", inbox / "nearly.jpg").rows
    assert row["sha256"] and row["error"] is None and row["missing"]


def test_daemon_restarted_tries_incomplete_images_again(inbox: Path, start: Start) -> None:
    with paths.config_file().open("a") as file:
        file.write("incomplete = 4\n")
    daemon = start()
    cut_off(inbox)
    # On a very slow machine, the images are older than four seconds when they are read first.
    daemon.until(lambda status: {*reasons(status).values()} & {"incomplete", "damaged"})
    assert daemon.stop() == 0
    daemon = start()
    daemon.until(lambda status: reasons(status) == {"half.jpg": "damaged"})
    assert daemon.settle()["watches"][0]["files"] == 3
