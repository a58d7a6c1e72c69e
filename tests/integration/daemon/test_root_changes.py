"""Changes at the path of a watched folder are reported without a timer."""

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from imgscored.root_changes import RootChanges

from imgscore.testing import eventually


def _swap(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "inbox").rename(tmp_path / "a" / "b" / "old")
    (tmp_path / "a" / "b" / "inbox").mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "inbox moved": lambda top: (top / "a" / "b" / "inbox").rename(top / "elsewhere"),
    "inbox deleted": lambda top: (top / "a" / "b" / "inbox").rmdir(),
    "inbox replaced": _swap,
    "parent moved": lambda top: (top / "a").rename(top / "c"),
    "permission of a parent": lambda top: (top / "a").chmod(0o500),
    "link changed": lambda top: os.replace(top / "other", top / "link"),
    "target of the link moved": lambda top: (top / "far").rename(top / "farther"),
    "missing folder created": lambda top: (top / "missing").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_root_changes_reports_each_kind_of_change(tmp_path: Path, change: str) -> None:
    (tmp_path / "a" / "b" / "inbox").mkdir(parents=True)
    (tmp_path / "far" / "photos").mkdir(parents=True)
    (tmp_path / "link").symlink_to("./far/../far")
    (tmp_path / "other").symlink_to("a")
    paths = ["a/b/inbox", "link/photos", "missing/inbox"]
    reports: list[int] = []
    with closing(RootChanges(lambda: reports.append(1))) as changes:
        changes.follow([os.fsencode(tmp_path / path) for path in paths])
        assert changes.complete and changes.is_alive()
        (tmp_path / "a" / "b" / "noise").mkdir()
        (tmp_path / "a" / "b" / "inbox" / "image.png").touch()
        (tmp_path / "a" / "b" / "inbox" / "image.png").unlink()
        CHANGES[change](tmp_path)
        eventually(lambda: bool(reports))


def test_root_changes_of_other_names_report_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "left").mkdir()
    reports: list[int] = []
    with closing(RootChanges(lambda: reports.append(1))) as changes:
        changes.follow([os.fsencode(tmp_path / "inbox"), os.fsencode(tmp_path / "left")])
        changes.follow([os.fsencode(tmp_path / "inbox")])
        (tmp_path / "left").rmdir()
        (tmp_path / "inbox" / "image.png").write_bytes(b"image")
        (tmp_path / "sibling").mkdir()
        assert not reports
        (tmp_path / "inbox").rename(tmp_path / "moved")
        eventually(lambda: bool(reports))


def test_root_changes_after_close_leave_no_thread(tmp_path: Path) -> None:
    changes = RootChanges(lambda: None)
    changes.follow([os.fsencode(tmp_path)])
    changes.close()
    changes.close()
    assert changes.is_alive(), "the watchdog must not report a thread that was asked to end"
    assert "root changes" not in {thread.name for thread in threading.enumerate()}


def test_root_changes_report_a_mount(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "none", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    subprocess.run(["umount", tmp_path], check=True)
    reports: list[int] = []
    with closing(RootChanges(lambda: reports.append(1))) as changes:
        changes.follow([os.fsencode(tmp_path)])
        subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path], check=True)
        try:
            eventually(lambda: bool(reports))
        finally:
            subprocess.run(["umount", tmp_path], check=True)


def test_root_changes_link_to_itself_is_followed_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with closing(RootChanges(lambda: None)) as changes:
        changes.follow([os.fsencode(tmp_path / "circle" / "inbox")])
        assert changes.complete
