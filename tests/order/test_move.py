"""Moves: never over another file, on one file system, all of them or none."""

import ctypes
import os
from pathlib import Path

import pytest

from imgscore import filesystems
from imgscore.order.move import Move, MoveError, check, move, move_all
from tests.disks import mounted


def pair(folder: Path, name: str = "a.jpg") -> Move:
    source, target = folder / name, folder / "keep" / name
    target.parent.mkdir(exist_ok=True)
    source.write_text(name)
    return Move(os.fsencode(source), os.fsencode(target))


@pytest.fixture(params=["renameat2", "link"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to rename; the second is for kernels and file systems that lack the first."""
    if request.param == "link":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())


@pytest.mark.usefixtures("way")
def test_a_move_and_back(tmp_path: Path) -> None:
    one = pair(tmp_path)
    before = os.stat(one.source)
    move(one)
    after = os.stat(one.target)
    assert not os.path.lexists(one.source)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    move(one.back)
    assert os.listdir(os.path.dirname(one.target)) == []


@pytest.mark.usefixtures("way")
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    one = pair(tmp_path)
    Path(os.fsdecode(one.target)).write_text("another")
    for act in (move, lambda one: check([one])):
        with pytest.raises(MoveError, match="is there already"):
            act(one)
    Path(os.fsdecode(one.target)).unlink()
    os.symlink("nowhere", one.target)  # a name is a name, even one that leads nowhere
    with pytest.raises(MoveError, match="is there already"):
        move(one)
    assert Path(os.fsdecode(one.source)).read_text() == "a.jpg"


@pytest.mark.usefixtures("way")
def test_all_or_none(tmp_path: Path) -> None:
    first, second = pair(tmp_path), pair(tmp_path, "a.xmp")
    Path(os.fsdecode(second.target)).write_text("another")
    with pytest.raises(MoveError, match=r"a\.xmp stays"):
        move_all([first, second])
    assert all(os.path.lexists(one.source) for one in (first, second))
    assert os.listdir(tmp_path / "keep") == ["a.xmp"]
    assert Path(os.fsdecode(second.target)).read_text() == "another"


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    one = pair(tmp_path)
    os.unlink(one.source)
    for act in (move, lambda one: check([one])):
        with pytest.raises(MoveError, match="not there any more"):
            act(one)


def test_no_other_file_system(tmp_path: Path) -> None:
    one = pair(tmp_path)
    with mounted(tmp_path, "mkfs.ext4", "-q") as disk:
        away = Move(one.source, os.fsencode(disk / "a.jpg"))
        for act in (move, lambda one: check([one])):
            with pytest.raises(MoveError, match="another file system"):
                act(away)
    assert os.path.lexists(one.source)


def test_on_fat_a_move_is_safe_or_is_not_done(tmp_path: Path) -> None:
    with mounted(tmp_path, "mkfs.vfat") as disk:
        one = pair(disk)
        if filesystems.kind(one.source).startswith("fuse"):  # neither links nor the kernel's way
            with pytest.raises(MoveError, match="no rename that cannot overwrite"):
                move(one)
            assert os.path.lexists(one.source)
        else:
            move(one)
            assert os.path.lexists(one.target)
