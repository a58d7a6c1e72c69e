"""The main job with a daemon: files are dropped, labelled, and come into order."""

import os
import re
import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import put
from tests.support.commands import Start, imgscore, newest_first

pytestmark = pytest.mark.core


def move(paths: list[Path], folder: Path) -> None:
    for path in paths:
        path.rename(folder / path.name)


def auc(names: list[str], good: str) -> float:
    """Share of (good, other) pairs in which the good one comes first."""
    wins = pairs = 0
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if first.startswith(good) != second.startswith(good):
                pairs += 1
                wins += first.startswith(good)
    return wins / pairs


def test_daemon_dropped_and_labelled_files_come_into_order(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 14), put(inbox, "text", 14)
    contents = {path.name: path.read_bytes() for path in suns + texts}
    daemon = start()
    before = {path.name: path.stat().st_mtime_ns for path in suns + texts}
    status = daemon.settle()
    assert status["watches"][0]["files"] == 28
    assert "2 more keep and 2 more trash" in status["watches"][0]["state"]
    # Too few labels: no date changes.
    assert {path.name: path.stat().st_mtime_ns for path in suns + texts} == before

    move(suns[:4], inbox / "keep")
    move(texts[:4], inbox / "trash")
    status = daemon.settle()
    assert status["head"] == "1"
    assert status["watches"][0]["scored"] == 20
    names = newest_first(inbox)
    assert auc(names, "sun") > 0.95, names
    dates = sorted(path.stat().st_mtime_ns for path in inbox.iterdir() if path.is_file())
    assert dates[-1] <= time.time_ns()
    assert all(later - earlier >= 2 * 10**9 for earlier, later in pairwise(dates))
    # Only dates changed, and files that left the inbox have their original dates.
    everywhere = {path.name: path for path in inbox.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in everywhere.items()} == contents
    for path in [*(inbox / "keep").iterdir(), *(inbox / "trash").iterdir()]:
        assert path.stat().st_mtime_ns == before[path.name]

    # New files are ordered too, and a changed label changes the order.
    put(inbox, "sun", 2, first=50)
    put(inbox, "text", 2, first=50)
    daemon.settle()
    assert auc(newest_first(inbox), "sun") > 0.95
    for path in list((inbox / "keep").iterdir()):
        path.rename(inbox / "trash" / path.name)
    for path in list((inbox / "trash").glob("text*")):
        path.rename(inbox / "keep" / path.name)
    daemon.settle()
    assert auc(newest_first(inbox), "text") > 0.9

    # The daemon process itself has loaded no heavy library.
    maps = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert not re.search(r"numpy|onnxruntime|PIL/|torch", maps)

    rows = daemon.ask("restore-times")
    assert len(rows) == 24 and not any(row["error"] for row in rows)
    daemon.settle()
    for path in inbox.iterdir():
        if path.name in before:
            assert path.stat().st_mtime_ns == before[path.name]


def test_daemon_restarted_does_nothing_twice(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
    daemon = start()
    move(suns[:2], inbox / "keep")
    move(texts[:2], inbox / "trash")
    daemon.settle()
    dates = {path: path.stat().st_mtime_ns for path in inbox.rglob("*.*")}
    history = daemon.ask("history", limit=1000)
    assert daemon.stop() == 0
    daemon = start()
    status = daemon.settle()
    assert status["workers"] == 0  # nothing to hash, embed or train
    assert {path: path.stat().st_mtime_ns for path in inbox.rglob("*.*")} == dates
    assert daemon.ask("history", limit=1000) == history


def test_daemon_moves_while_it_is_down_are_labels(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 8), put(inbox, "text", 8)
    daemon = start()
    daemon.settle()
    daemon.stop()
    move(suns[:3], inbox / "keep")
    move(texts[:3], inbox / "trash")
    daemon = start()
    status = daemon.settle()
    assert status["watches"][0]["labels"] == {"keep": 3, "trash": 3}
    daemon.stop()
    # Moved back: the label is cleared. Deleted: it stays.
    back = inbox / "keep" / suns[0].name
    back.rename(inbox / suns[0].name)
    (inbox / "trash" / texts[0].name).unlink()
    daemon = start()
    status = daemon.settle()
    assert status["watches"][0]["labels"] == {"keep": 2, "trash": 3}
    assert status["watches"][0]["trash"] == 2


def test_daemon_copies_and_subfolders_are_ordered(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
    deep = inbox / "a" / "b"
    deep.mkdir(parents=True)
    move(suns[4:], deep)
    shutil.copy2(texts[5], deep / "copy.png")
    daemon = start()
    move(suns[:2], inbox / "keep")
    move(texts[:2], inbox / "trash")
    daemon.settle()
    everything = [path for path in inbox.rglob("*.*") if path.parent.name not in ("keep", "trash")]
    dates = {int(path.stat().st_mtime) for path in everything}
    assert len(dates) == len(everything) == 9
    # A folder moves with its files: the order stays.
    (inbox / "a").rename(inbox / "elsewhere")
    status = daemon.settle()
    assert status["watches"][0]["files"] == 9
    assert not status["failed"]


def test_daemon_odd_names_work_and_broken_files_are_listed(inbox: Path, start: Start) -> None:
    put(inbox, "sun", 2)
    raw = os.fsencode(inbox)
    good = (inbox / "sun-000.png").read_bytes()
    odd = [b"new\nline.png", b"not-utf8-\xff\xfe.png", b"x" * 251 + b".png", b" .png", b"-rf.png"]
    for number, name in enumerate(odd):
        with open(raw + b"/" + name, "wb") as file:
            file.write(good + bytes([number]))
    (inbox / "empty.jpg").touch()
    (inbox / "text.jpg").write_text("hello")
    (inbox / "half.png").write_bytes(good[: len(good) // 2])
    (inbox / "notes.txt").write_text("not an image's name: ignored")
    os.mkfifo(inbox / "pipe.png")
    (inbox / "link.png").symlink_to(inbox / "sun-000.png")
    (inbox / "loop").symlink_to(inbox)
    (inbox / "dangling.png").symlink_to("/nonexistent")
    daemon = start()
    status = daemon.settle()
    reasons = {Path(row["path"]).name: row["reason"] for row in status["failed"]}
    assert set(reasons) == {"empty.jpg", "text.jpg", "half.png"}
    assert all(row["remedy"] for row in status["failed"])
    assert status["watches"][0]["files"] == 2 + len(odd) + 3
    answer = imgscore("status")
    assert answer.code == 0 and "half.png" in answer.out
    assert "new\nline" not in answer.out
    # Complete the half file, and delete the empty one.
    (inbox / "half.png").write_bytes(good + b"finished")
    (inbox / "empty.jpg").unlink()
    status = daemon.settle()
    assert {Path(row["path"]).name for row in status["failed"]} == {"text.jpg"}


def test_daemon_killed_while_it_indexes_loses_nothing(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 30), put(inbox, "text", 30)
    originals = {path.name: path.stat().st_mtime_ns for path in suns + texts}
    daemon = start()
    move(suns[:5], inbox / "keep")
    move(texts[:5], inbox / "trash")
    for _ in range(3):
        known = daemon.status()["watches"][0]["files"]
        daemon.until(lambda status, n=known: n >= 50 or status["watches"][0]["files"] != n)
        daemon.kill()
        daemon = start()
    status = daemon.settle()
    assert status["watches"][0]["labels"] == {"keep": 5, "trash": 5}
    assert auc(newest_first(inbox), "sun") > 0.9
    daemon.ask("restore-times")
    for path in inbox.rglob("*.*"):
        assert path.stat().st_mtime_ns == originals[path.name]
