"""Groups of which a killed process moved only a part."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.apply.folders import Folders
from imgscore.apply.resume import resume
from imgscore.apply.run_log import Linked, LoggedMove, Move, Moves, Run, RunLogs
from imgscore.apply.undo import Returned, undo

NAMES = ("a.CR2", "a.jpg", "a.jpg.xmp")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run that has logged the move of a group, and has moved nothing."""
    for name in ("inbox", "keep", "logs"):
        (tmp_path / name).mkdir()
    moves = []
    for name in NAMES:
        path = tmp_path / "inbox" / name
        path.write_text(name)
        status = path.stat()
        taste = None if name.endswith("xmp") else "default"
        moves.append(Move(name, name, status.st_dev, status.st_ino, 1, taste))
    logs = RunLogs(tmp_path / "logs")
    run = logs.create()
    logs.close()
    run.add(Moves(str(tmp_path / "inbox"), str(tmp_path / "keep"), moves))
    yield run
    run.close()


def names_in(folder: Path) -> list[str]:
    """The names in a folder. Each file contains its name."""
    assert all((folder / name).read_text() == name for name in os.listdir(folder))
    return sorted(os.listdir(folder))


def test_resume_of_a_group_moved_in_part_moves_the_rest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inbox/a.CR2").rename(tmp_path / "keep/a.CR2")
    with Folders() as folders:
        resume(run, folders)
    assert (names_in(tmp_path / "keep"), names_in(tmp_path / "inbox")) == (list(NAMES), [])
    assert run.ended


def test_resume_of_a_group_that_was_not_begun_moves_nothing(run: Run, tmp_path: Path) -> None:
    with Folders() as folders:
        resume(run, folders)
    assert names_in(tmp_path / "inbox") == list(NAMES) and run.ended


def test_resume_of_a_group_that_cannot_be_completed_moves_it_back(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inbox/a.CR2").rename(tmp_path / "keep/a.CR2")
    (tmp_path / "keep/a.jpg.xmp").write_text("a.jpg.xmp")  # another file has taken the name
    with Folders() as folders:
        resume(run, folders)
    assert names_in(tmp_path / "inbox") == list(NAMES)
    assert names_in(tmp_path / "keep") == ["a.jpg.xmp"]


def test_resume_of_an_interrupted_link_removes_the_old_name(run: Run, tmp_path: Path) -> None:
    run.add(Linked(0))
    os.link(tmp_path / "inbox/a.CR2", tmp_path / "keep/a.CR2")
    with Folders() as folders:
        resume(run, folders)
    assert (names_in(tmp_path / "keep"), names_in(tmp_path / "inbox")) == (list(NAMES), [])


def test_resume_of_a_hard_link_of_the_user_removes_no_name(run: Run, tmp_path: Path) -> None:
    os.link(tmp_path / "inbox/a.CR2", tmp_path / "keep/mine.CR2")
    os.link(tmp_path / "inbox/a.CR2", tmp_path / "keep/a.CR2")
    with Folders() as folders:
        resume(run, folders)
    assert names_in(tmp_path / "inbox") == list(NAMES)
    assert len(os.listdir(tmp_path / "keep")) == 2


def undone(tmp_path: Path, asked: list[bytes]) -> list[Returned]:
    """Undo the newest run. `asked` gets the paths of the images whose labels are restored."""

    def prepare(moves: list[LoggedMove]) -> list[str | None]:
        asked.extend(logged.target for logged in moves)
        return [None] * len(moves)

    logs = RunLogs(tmp_path / "logs")
    with Folders() as folders:
        rows = list(undo(logs, folders, None, prepare, dry_run=False))
    logs.close()
    return rows


def test_undo_of_a_group_moved_in_part_moves_this_part_back(tmp_path: Path, run: Run) -> None:
    (tmp_path / "inbox/a.jpg").rename(tmp_path / "keep/a.jpg")
    asked: list[bytes] = []
    rows = undone(tmp_path, asked)
    assert asked == [bytes(tmp_path / "keep/a.jpg")]
    assert [row.error for row in rows] == [None]
    assert names_in(tmp_path / "inbox") == list(NAMES)
    assert not run.path.exists()


def test_undo_while_the_folder_of_the_label_is_missing_can_be_repeated(
    run: Run, tmp_path: Path
) -> None:
    for name in NAMES:
        (tmp_path / "inbox" / name).rename(tmp_path / "keep" / name)
    (tmp_path / "keep").rename(tmp_path / "unmounted")
    rows = undone(tmp_path, [])
    assert all(row.error is not None and "is not there" in row.error for row in rows)
    (tmp_path / "unmounted").rename(tmp_path / "keep")
    assert [row.error for row in undone(tmp_path, [])] == [None] * 3
    assert names_in(tmp_path / "inbox") == list(NAMES)


def test_undo_of_more_folders_than_a_process_can_open_moves_all(tmp_path: Path) -> None:
    logs, count = RunLogs(tmp_path / "logs"), 1200
    moves = []
    for number in range(count):
        kept = tmp_path / "keep" / f"{number}" / "a.jpg"
        kept.parent.mkdir(parents=True)
        kept.write_text("a.jpg")
        status, name = kept.stat(), f"{number}/a.jpg"
        moves.append(Move(name, name, status.st_dev, status.st_ino, number, "default"))
    (tmp_path / "inbox").mkdir()
    run = logs.create()
    run.add(Moves(str(tmp_path / "inbox"), str(tmp_path / "keep"), moves))
    run.close()
    logs.close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        assert [row.error for row in undone(tmp_path, [])] == [None] * count
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len([*(tmp_path / "inbox").rglob("a.jpg")]) == count
