"""Problems outside the program: missing folders, full disks, lost events."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support import needs
from tests.support.commands import Start, imgscore


def test_daemon_inbox_gone_and_back_keeps_its_labels(inbox: Path, start: Start) -> None:
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:2]:
            path.rename(inbox / folder / path.name)
    with paths.config_file().open("a") as file:
        file.write("poll = 1\n")
    daemon = start()
    assert daemon.settle()["watches"][0]["labels"] == {"keep": 2, "trash": 2}
    away = inbox.with_name("away")
    inbox.rename(away)
    daemon.until(lambda status: status["watches"][0]["state"] == "offline")
    status = daemon.settle()
    watch = status["watches"][0]
    assert watch["labels"] == {"keep": 2, "trash": 2} and watch["files"] == 6
    assert "offline: the folder is not there" in imgscore("status").out
    # An empty folder in its place is an empty inbox; the labels stay.
    inbox.mkdir()
    daemon.until(lambda status: status["watches"][0]["state"] == "ok")
    inbox.rmdir()
    away.rename(inbox)
    daemon.until(lambda status: status["watches"][0]["files"] == 6)
    put(inbox, "sun", 1, first=30)  # the daemon watches the inbox again
    status = daemon.settle()
    assert status["watches"][0]["labels"] == {"keep": 2, "trash": 2}
    assert status["watches"][0]["files"] == 7


def test_daemon_inotify_overflow_rescans(inbox: Path, start: Start) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (sun,) = put(inbox, "sun", 1)
    daemon = start()
    daemon.settle()
    os.kill(daemon.pid, signal.SIGSTOP)
    content = sun.read_bytes()
    for number in range(limit // 3 + 500):  # each makes three events: create, open, close
        (inbox / f"copy-{number:06d}.png").write_bytes(content)
    os.kill(daemon.pid, signal.SIGCONT)
    count = limit // 3 + 501
    status = daemon.until(lambda status: status["watches"][0]["files"] == count)
    assert not status["failed"]


@pytest.fixture
def small_disk(environment: Path) -> Iterator[Path]:
    """Mount 8 MB on $XDG_DATA_HOME."""
    folder = environment / "data"
    needs.mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_daemon_full_disk_goes_on_when_there_is_room(
    small_disk: Path, inbox: Path, start: Start
) -> None:
    with paths.config_file().open("a") as file:
        file.write("free_mb = 0\n")
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 6)[:3]:
            path.rename(inbox / folder / path.name)
    daemon = start()
    assert daemon.settle()["watches"][0]["labels"] == {"keep": 3, "trash": 3}
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    put(inbox, "sun", 40, first=100)
    daemon.until(lambda status: bool(status["troubles"]))
    ballast.unlink()
    status = daemon.until(lambda status: status["watches"][0]["scored"] == 46)
    assert status["watches"][0]["labels"] == {"keep": 3, "trash": 3}
    assert not status["failed"]


def test_daemon_below_free_mb_writes_nothing(inbox: Path, start: Start) -> None:
    free = shutil.disk_usage(paths.data_folder().parent).free
    with paths.config_file().open("a") as file:
        file.write(f"free_mb = {2 * free // 10**6}\n")
    path = put(inbox, "sun", 3)[0]
    alone = imgscore("label", "keep", path, "--json")
    assert alone.code == 5 and "MB free" in alone.err
    daemon = start()
    status = daemon.until(lambda status: bool(status["troubles"]))
    assert "free" in str(status["troubles"]) and status["workers"] == 0
    refused = imgscore("label", "keep", path, "--json")
    assert (refused.code, refused.err) == (5, alone.err)
    for verb in (["score", path], ["explain", path], ["report"]):
        refused = imgscore(*verb)
        assert refused.code == 5 and "MB free" in refused.err, verb


def test_daemon_folder_named_as_an_image_is_ignored(inbox: Path, start: Start) -> None:
    (path,) = put(inbox, "sun", 1)
    daemon = start()
    daemon.settle()
    # A folder replaces the image, then an image replaces the folder.
    path.unlink()
    path.mkdir()
    status = daemon.settle()
    assert status["watches"][0]["files"] == 0 and not status["failed"]
    path.rmdir()
    put(inbox, "sun", 1)
    assert daemon.settle()["watches"][0]["files"] == 1


def test_daemon_invalid_config_on_reload_is_reported(inbox: Path, start: Start) -> None:
    daemon = start()
    good = paths.config_file().read_text()
    paths.config_file().write_text(good + "[[watch]]\ninbox = 3\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda status: bool(status["troubles"]))
    assert daemon.running
    paths.config_file().write_text(good)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda status: not status["troubles"])
    assert imgscore("status").code == 0
