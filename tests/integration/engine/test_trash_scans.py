"""Tests of the repeated scans of the desktop's trash. The tests write the trash themselves."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from imgscore import paths
from imgscore.engine import trash
from imgscore.engine.engine import Engine
from imgscore.errors import StoreError
from imgscore.store import labels, trashed_files
from imgscore.workers.messages import Answer, Crashed, IndexFile, Task, Unstable
from tests.integration.engine.conftest import World

LONG_AGO = 1_400_000_000


@pytest.fixture
def watched(world: World) -> World:
    """A world whose deletions count, with an empty trash."""
    world.watch = {"xdg_trash": True}
    world.inbox.mkdir(parents=True)
    for name in ("files", "info"):
        (paths.trash_folder() / name).mkdir(parents=True)
    return world


def lay(origin: Path, content: str | None = None) -> str:
    """Put a file into the trash: an existing one, or with `content` one that was never scanned."""
    lying = paths.trash_folder() / "files" / origin.name
    if content is None:
        origin.rename(lying)
    else:
        lying.write_text(content)
    info = paths.trash_folder() / "info" / f"{origin.name}.trashinfo"
    info.write_text(f"[Trash Info]\nPath={origin}\nDeletionDate=2026-01-02T03:04:05\n")
    return lying.read_text()


def label(engine: Engine, content: str) -> str | None:
    with engine.ctx.store.read() as txn:
        found = labels.current(txn, "default", hashlib.sha256(content.encode()).digest())
    return found.label if found else None


def answer_first(engine: Engine, name: str, *answers: Answer) -> list[Task]:
    """Give these answers to the first tasks about a file; returns all tasks about it."""
    pool: Any = engine.ctx.pool
    submit, left, asked = pool.submit, list(answers), list[Task]()

    def answered(task: Task) -> bool:
        if not (isinstance(task, IndexFile) and os.path.basename(task.path) == name.encode()):
            return bool(submit(task))
        asked.append(task)
        if not left:
            return bool(submit(task))
        pool.results.append((task, left.pop()))
        return True

    pool.submit = answered
    return asked


def test_trash_entry_interrupted_during_a_scan_is_read_again(
    watched: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "SCAN_BATCH", 1)
    contents = [lay(watched.inbox / f"{number}.jpg", f"0.{number}") for number in range(1, 9)]
    os.utime(
        paths.trash_folder() / "info", (LONG_AGO, LONG_AGO)
    )  # an old listing, so that its mtime counts
    with watched.engine() as engine:
        for number in range(1, 9):
            answer_first(engine, f"{number}.jpg", Unstable())
        watched.settle(engine)
        assert [label(engine, content) for content in contents] == ["trash"] * 8


def test_trash_entry_lost_to_a_full_disk_is_read_again(
    watched: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "SCAN_BATCH", 1)
    monkeypatch.setattr("imgscore.engine.problems.RETRY_SECONDS", 0.0)
    contents = [lay(watched.inbox / f"{number}.jpg", f"0.{number}") for number in range(1, 9)]
    os.utime(paths.trash_folder() / "info", (LONG_AGO, LONG_AGO))
    with watched.engine() as engine:
        record, full = trashed_files.record, [True]

        def record_later(*arguments: Any) -> None:
            if full:
                full.clear()
                raise StoreError("the disk is full", "")
            record(*arguments)

        monkeypatch.setattr(trashed_files, "record", record_later)
        watched.settle(engine)
        assert not full
        assert [label(engine, content) for content in contents] == ["trash"] * 8


def test_trash_unreadable_file_is_tried_once(watched: World) -> None:
    bad = watched.inbox / "bad.jpg"
    lay(bad, "0.1 bad")
    with watched.engine() as engine:
        asked = answer_first(engine, "bad.jpg", Crashed("crashes the decoder"))
        watched.settle(engine)
        for number in range(3):
            content = lay(watched.inbox / f"{number}.jpg", f"0.{number}")
            watched.settle(engine)
            assert label(engine, content) == "trash"
        assert len(asked) == 1
        changed = lay(bad, "0.1 whole")
        watched.settle(engine)
        assert label(engine, changed) == "trash"


def test_trash_entry_that_left_is_forgotten(watched: World) -> None:
    with watched.engine() as engine:
        for number in range(3):
            lay(watched.inbox / f"{number}.jpg", f"0.{number}")
            watched.settle(engine)
            watched.settle(engine)
            assert engine.trash_monitor.remembered == 1
            for file in paths.trash_folder().glob("*/*"):
                file.unlink()
        watched.settle(engine)
        assert engine.trash_monitor.remembered == 0


@pytest.mark.parametrize("seen_first", [False, True])
def test_trash_restored_file_whose_name_is_reused_is_cleared(
    watched: World, seen_first: bool
) -> None:
    file = watched.put("a.jpg", 0.5)
    watched.settled()
    content = lay(file)
    watched.settled()
    aside = watched.folder / "aside.jpg"
    (paths.trash_folder() / "files" / "a.jpg").rename(aside)
    other = lay(watched.inbox / "sub" / "a.jpg", "0.7 another")
    if seen_first:
        watched.settled()
    aside.rename(file)
    with watched.engine() as engine:
        watched.settle(engine)
        assert label(engine, other) == "trash"
        assert label(engine, content) is None
