"""Tests of the wait for changes in a folder."""

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from imgscore.system.file_events import FolderEvents


def test_wait_file_that_was_written_ends_the_wait(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(FolderEvents(tmp_path)) as events:
        (tmp_path / "file").write_text("changed before the wait")
        assert events.wait(60)
        writer = threading.Thread(target=(tmp_path / "file").write_text, args=("changed",))
        writer.start()
        assert events.wait(60)
        writer.join()


def test_wait_file_that_was_replaced_ends_the_wait(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/new").touch()
    (tmp_path / "folder").mkdir()
    with closing(FolderEvents(tmp_path / "folder")) as events:
        os.replace(tmp_path / "outside/new", tmp_path / "folder/file")
        assert events.wait(60)


def test_wait_after_end_returns_false_at_once(tmp_path: Path) -> None:
    with closing(FolderEvents(tmp_path)) as events:
        other = threading.Thread(target=events.end)
        other.start()
        assert not events.wait(60)
        other.join()
        assert not events.wait(60)


def test_folder_events_missing_folder_raises_os_error(tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError, match="missing"):
        FolderEvents(tmp_path / "missing")
    assert len(os.listdir("/proc/self/fd")) == descriptors
