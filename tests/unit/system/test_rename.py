"""Renames that replace no file, and folders that are opened without links."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.apply.folders import Folders
from imgscore.system import rename


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, int, int]]:
    """A folder, and the descriptors of two folders in it."""
    with Folders() as opened:
        for name in ("from", "to"):
            (tmp_path / name).mkdir()
        yield tmp_path, opened.open(bytes(tmp_path / "from")), opened.open(bytes(tmp_path / "to"))


@pytest.mark.parametrize("move", [rename.rename, rename.link_and_unlink])
def test_rename_to_a_name_that_exists_replaces_nothing(
    folders: tuple[Path, int, int], move: "rename.Rename"
) -> None:
    root, source, target = folders
    (root / "from/a").write_text("moved")
    (root / "to/a").write_text("other")
    (root / "to/link").symlink_to("nowhere")
    for name in (b"a", b"link"):
        with pytest.raises(FileExistsError):
            move(source, b"a", target, name)
    assert (root / "from/a").read_text() == "moved" and (root / "to/a").read_text() == "other"
    move(source, b"a", target, b"b")
    assert (root / "to/b").read_text() == "moved" and not (root / "from/a").exists()


@pytest.mark.parametrize("move", [rename.rename, rename.link_and_unlink])
def test_rename_of_a_missing_file_is_an_error(
    folders: tuple[Path, int, int], move: "rename.Rename"
) -> None:
    root, source, target = folders
    with pytest.raises(FileNotFoundError):
        move(source, b"missing", target, b"b")
    assert not [*(root / "to").iterdir()]


@pytest.mark.parametrize("move", [rename.rename, rename.link_and_unlink])
def test_rename_of_a_hard_link_to_its_other_name_keeps_both(
    folders: tuple[Path, int, int], move: "rename.Rename"
) -> None:
    root, source, target = folders
    (root / "from/a").write_text("one file")
    os.link(root / "from/a", root / "to/a")
    with pytest.raises(FileExistsError):
        move(source, b"a", target, b"a")
    assert (root / "from/a").exists() and (root / "to/a").exists()


def test_folders_open_of_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with Folders() as folders:
        for path in ("link", "link/sub", "real/../link"):
            with pytest.raises(OSError, match=r"symbolic link|not an absolute path"):
                folders.open(bytes(tmp_path / path))
        assert folders.open(bytes(tmp_path / "real" / "sub")) > 0


def test_folders_open_creates_only_below_the_given_folder(tmp_path: Path) -> None:
    with Folders() as folders:
        base = tmp_path / "base"
        with pytest.raises(FileNotFoundError):
            folders.open(bytes(base / "a"), create_below=bytes(base))
        assert not base.exists()
        base.mkdir()
        folders.open(bytes(base / "a" / "b"), create_below=bytes(base))
        assert (base / "a" / "b").is_dir()
