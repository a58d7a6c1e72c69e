"""`imgscore apply` on full, read-only and simple file systems, which are really mounted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support import needs
from tests.support.commands import imgscore
from tests.support.disks import mounted


@contextmanager
def memory_disk(point: Path, size: str) -> Iterator[None]:
    """Mount a file system in memory."""
    needs.root("to mount a file system")
    point.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount file systems here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", point], check=True)


def test_apply_without_space_for_its_log_moves_nothing_and_says_so(inbox: Path) -> None:
    files = put(inbox, "sun", 3)
    assert imgscore("label", "keep", *files).code == 0
    folder = paths.moves_folder()
    with memory_disk(folder, "64k"):
        (folder / "lock").touch(0o600)
        with (folder / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError):
            while True:
                fill.write(bytes(512))
        done = imgscore("apply", "--json")
        assert done.code == 5, done
        assert "No space left" in done.err and "free disk space" in done.err
        assert all(path.exists() for path in files)
        (folder / "fill").unlink()
        assert imgscore("apply").code == 0
        assert not any(path.exists() for path in files)
        assert imgscore("apply", "--undo").code == 0
        assert all(path.exists() for path in files)


def test_apply_on_a_read_only_disk_moves_nothing_and_says_so(inbox: Path) -> None:
    watched = inbox.parent / "disk" / "inbox"
    with memory_disk(watched.parent, "8m"):
        assert imgscore("init", watched).code == 0
        (path,) = put(watched, "sun", 1)
        assert imgscore("label", "keep", path).code == 0
        subprocess.run(["mount", "-o", "remount,ro", watched.parent], check=True)
        done = imgscore("apply", watched, "--json")
        assert done.code == 1 and "read-only" in done.row["error"]
        assert path.exists()
        subprocess.run(["mount", "-o", "remount,rw", watched.parent], check=True)
        assert imgscore("apply", watched).code == 0
        subprocess.run(["mount", "-o", "remount,ro", watched.parent], check=True)
        undone = imgscore("apply", "--undo", "--json")
        assert undone.code == 1 and "read-only" in undone.row["error"]
        subprocess.run(["mount", "-o", "remount,rw", watched.parent], check=True)
        assert imgscore("apply", "--undo").code == 0
        assert path.exists()


def test_apply_on_fat_moves_the_files_or_refuses_to(inbox: Path, tmp_path: Path) -> None:
    """FAT has no hard links, and its driver in user space cannot rename without replacing."""
    with mounted(tmp_path, "mkfs.vfat") as disk:
        watched = disk / "inbox"
        assert imgscore("init", watched).code == 0
        first, second = put(watched, "sun", 2)
        taken = watched / "keep" / second.name.upper()
        taken.write_bytes(b"another file, whose name differs only in case")
        assert imgscore("label", "keep", first, second).code == 0
        done = imgscore("apply", watched, "--json")
        for row in done.rows:
            assert Path(row["path"]).exists() == (row["error"] is not None)
            if row["error"] is not None:
                assert "may replace other files" in row["error"]
        assert taken.read_bytes() == b"another file, whose name differs only in case"
        if done.code == 0:
            assert imgscore("apply", "--undo").code == 0
            assert first.exists() and second.exists()


def test_apply_to_a_disk_that_is_not_mounted_creates_nothing(inbox: Path) -> None:
    text, disk = paths.config_file().read_text(), inbox.parent / "usb"
    paths.config_file().write_text(
        text.replace("[[watch]]\n", f'[[watch]]\nkeep = "{disk}/keep"\n', 1)
    )
    disk.mkdir()
    (path,) = put(inbox, "sun", 1)
    assert imgscore("label", "keep", path).code == 0
    done = imgscore("apply", "--json")
    assert done.code == 1 and "is not there" in done.row["error"]
    assert path.exists() and not os.listdir(disk)
