"""Labels by commands, and two inboxes with two tastes."""

import os
import shutil
import time
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.engine.mass_changes import GAP_SECONDS
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore


def test_label_what_is_no_image_stores_nothing(inbox: Path, tmp_path: Path) -> None:
    text, broken, plain = inbox / "n.txt", inbox / "broken.jpg", inbox / "text.jpg"
    text.write_text("hi")
    plain.write_text("hi")
    (image,) = put(tmp_path, "sun", 1)
    broken.write_bytes(image.read_bytes()[:200])
    (tmp_path / "fifo.png").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "fifo.png")
    for path in (text, broken, plain, inbox / "missing.png", tmp_path / "fifo.png"):
        done = imgscore("label", "keep", path, "--json")
        assert done.code in (1, 2), path
        assert all(row["label"] is None and row["error"] for row in done.rows if "label" in row)
        assert imgscore("label", "keep", path).code == done.code
    assert imgscore("history", "--json").rows == []
    (watch,) = imgscore("status", "--json").row["watches"]
    assert watch["labels"] == {"keep": 0, "trash": 0}


def test_label_without_daemon_and_scan_teaches_at_once(inbox: Path) -> None:
    kinds = {"keep": put(inbox, "sun", 3), "trash": put(inbox, "text", 3)}
    for label, images in kinds.items():
        assert imgscore("label", label, *images).code == 0
    trained = imgscore("train")
    assert trained.code == 0, trained.err
    (watch,) = imgscore("status", "--json").row["watches"]
    assert watch["files"] == 6


@pytest.fixture
def two_tastes(inbox: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two inboxes with two tastes. Both contain the same images; only the second one is taught."""
    memes = tmp_path / "memes"
    with paths.config_file().open("a") as file:
        file.write(f'\n[[watch]]\ninbox = "{memes}"\ntaste = "memes"\n')
    for name in ("keep", "trash"):
        (memes / name).mkdir(parents=True)
    for folder, kind in ((memes / "keep", "sun"), (memes / "trash", "text")):
        put(folder, kind, 8)
    (memes / "keep" / "sun-000.png").rename(memes / "trash" / "sun-000.png")
    for path in [*put(memes, "sun", 6, first=20), *put(memes, "text", 6, first=20)]:
        shutil.copy2(path, inbox / f"a-{path.name}")  # Its path comes first in the alphabet.
    for path in (memes / "keep").iterdir():
        shutil.copy2(path, inbox)
    shutil.copy2(memes / "trash" / "sun-000.png", inbox)
    assert imgscore("scan").code == 0
    return inbox, memes


def test_verbs_of_a_taste_name_only_files_of_its_watches(two_tastes: tuple[Path, Path]) -> None:
    _, memes = two_tastes
    rows = imgscore("next", "--taste", "memes", "-n", "12", "--json").rows
    assert len(rows) > 4
    suspects = imgscore("suspects", "--taste", "memes", "--json").rows
    assert suspects[0]["path"].endswith("trash/sun-000.png")
    explained = imgscore("explain", memes / "sun-020.png", "--json").row
    named = [*rows, *suspects, *explained["keeps"], *explained["trashes"]]
    assert all(row["path"].startswith(f"{memes}/") for row in named)
    assert imgscore("evaluate", "--taste", "memes", "--json").row["taste"] == "memes"
    watches = imgscore("status", "--json").row["watches"]
    assert [watch["labels"]["keep"] for watch in watches] == [0, 7]


def test_suspects_of_a_rewritten_or_deleted_file_are_not_listed(
    two_tastes: tuple[Path, Path],
) -> None:
    _, memes = two_tastes
    (memes / "trash" / "sun-000.png").unlink()
    assert imgscore("scan").code == 0
    suspects = imgscore("suspects", "--taste", "memes", "--json").rows
    assert all(os.path.exists(row["path"]) for row in suspects)
    assert not [row for row in suspects if "sun-000" in row["path"]]


def label(path: Path) -> str | None:
    """The label of a file, from the daemon."""
    value = imgscore("score", path, "--json").row["label"]
    return None if value is None else str(value)


def resave(path: Path, *, atomic: bool) -> None:
    """Save an image again with other bytes."""
    target = path.with_suffix(".tmp") if atomic else path
    target.write_bytes(path.read_bytes() + b"more")
    target.rename(path)


@pytest.mark.core
def test_daemon_labels_follow_the_places_of_files(inbox: Path, start: Start) -> None:
    saved, synced, copied, commanded, binned, *kept = put(inbox, "sun", 10)
    daemon = start()
    daemon.settle()
    keep, trash = inbox / "keep", inbox / "trash"
    saved, synced, copied = (path.rename(keep / path.name) for path in (saved, synced, copied))
    binned = binned.rename(trash / binned.name)
    kept = [path.rename(keep / path.name) for path in kept]
    shutil.copy2(synced, inbox)
    daemon.settle()
    shutil.copy2(copied, trash)
    assert imgscore("label", "trash", commanded).code == 0
    daemon.settle()
    assert [label(path) for path in (saved, synced, copied)] == ["keep", "keep", "trash"]
    # A program saves a file again; a sync program moves a file; a copy is moved back; a bin.
    resave(saved, atomic=False)
    resave(commanded, atomic=True)
    synced.unlink()
    (trash / copied.name).rename(inbox / copied.name)
    (inbox / "#recycle" / "trash").mkdir(parents=True)
    binned = binned.rename(inbox / "#recycle" / "trash" / binned.name)

    def totals() -> dict[str, int]:
        labels = daemon.settle()["watches"][0]["labels"]
        assert isinstance(labels, dict)
        return labels

    wanted = {"keep": 2 + len(kept), "trash": 2}  # Old bytes have no label.
    eventually(lambda: totals() == wanted, what=totals)
    assert [label(path) for path in (saved, inbox / synced.name, copied)] == ["keep", None, "keep"]
    assert [label(path) for path in (commanded, binned)] == ["trash", "trash"]
    # The whole folder is renamed, and then taken back by hand.
    keep.rename(inbox / "keep-2025")
    keep.mkdir()
    daemon.until(lambda status: status["watches"][0]["keep"] == 0, "keep is empty")
    assert totals() == wanted and not daemon.status()["troubles"]
    files = sorted((inbox / "keep-2025").iterdir())
    moved = [path.rename(keep / path.name) for path in files]
    daemon.until(lambda status: status["watches"][0]["keep"] == len(files), "keep is full")
    assert totals() == wanted
    time.sleep(GAP_SECONDS + 1)  # Label changes after this pause are another run of changes.
    for path in moved:
        path.rename(inbox / path.name)
    eventually(lambda: totals() == {"keep": 0, "trash": 2}, what=totals)
    report = f"{len(files)} labels were cleared at once"
    daemon.until(lambda status: "".join(status["troubles"]).startswith(report), report)
    assert imgscore("undo", "label").code == 0
    assert totals() == wanted and not daemon.status()["troubles"]


def test_undo_label_after_a_move_that_repeats_the_label_needs_one_undo(inbox: Path) -> None:
    first, second, third = put(inbox, "sun", 3)
    assert imgscore("label", "trash", second).code == 0
    assert imgscore("label", "keep", first).code == 0
    assert imgscore("apply").code == 0
    assert imgscore("scan").code == 0
    dry = imgscore("undo", "label", "--dry-run", "--json").row
    assert (dry["was"], dry["label"], dry["others"]) == ("keep", None, 0)
    undone = imgscore("undo", "label", "--json").row
    assert undone == dry
    assert imgscore("score", inbox / "keep" / first.name, "--json").row["label"] is None
    assert imgscore("score", inbox / "trash" / second.name, "--json").row["label"] == "trash"
    assert imgscore("undo", "label", "--json").row["was"] == "trash"
    assert imgscore("label", "keep", third).code == 0
    assert imgscore("undo", "label", "--json").row["label"] is None
    assert imgscore("undo", "label").code == 1
