"""`imgscore start`: it waits for the store, and reports why the daemon could not start."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.cli.path_text import short
from imgscore.store.lock import StoreLock
from imgscore.testing import IMGSCORED, run
from tests.support.commands import BIN, Start, imgscore

SECONDS = 60.0


def log_file() -> Path:
    return paths.cache_folder() / "imgscored.log"


def await_log_line(text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not (log_file().exists() and text in log_file().read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_busy_store_is_awaited(inbox: Path) -> None:
    with StoreLock(paths.data_folder()):
        start = subprocess.Popen([BIN / "imgscore", "start"], stdout=subprocess.PIPE, text=True)
        await_log_line(f"(process {os.getpid()}")
        assert start.poll() is None
    output, _ = start.communicate(timeout=SECONDS)
    assert start.returncode == 0 and output.startswith("running")
    assert imgscore("stop").code == 0


def test_start_store_that_stays_busy_names_its_holder(inbox: Path) -> None:
    code = (
        "import sys; from imgscore import paths; from imgscore.store.lock import StoreLock; "
        "lock = StoreLock(paths.data_folder()); print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, "imgscore", "train"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        answer = imgscore("start")
        assert answer.code == 5
        assert f"process {holder.pid}: imgscore train" in answer.err.splitlines()[0]


@pytest.mark.parametrize("verb", [["db", "compact"], ["db", "check"], ["status"], ["scan"]])
def test_command_busy_store_is_awaited(inbox: Path, verb: list[str]) -> None:
    assert imgscore("scan").code == 0
    lock = StoreLock(paths.data_folder())
    release = threading.Timer(1.5, lock.close)
    release.start()
    try:
        answer = imgscore(*verb)
    finally:
        release.join()
    assert answer.code == 0, answer.err


def test_command_store_that_stays_busy_names_its_holder(inbox: Path) -> None:
    assert imgscore("scan").code == 0
    with StoreLock(paths.data_folder()):
        for verb in (["db", "compact"], ["db", "restore"], ["heads", "list"]):
            answer = imgscore(*verb)
            assert answer.code == 5 and f"(process {os.getpid()}" in answer.err, answer


def test_db_restore_beside_a_daemon_says_how_to_stop_it(inbox: Path, start: Start) -> None:
    start()
    answer = imgscore("db", "restore")
    assert answer.code == 5 and "stop this daemon: imgscore stop" in answer.err, answer
    assert run([*IMGSCORED]).err.count("stop this daemon: imgscore stop") == 1


def test_daemon_stopped_while_it_awaits_the_store_exits_with_0(inbox: Path) -> None:
    with StoreLock(paths.data_folder()):
        daemon = subprocess.Popen(
            [BIN / "imgscored"], stderr=subprocess.PIPE, env=os.environ, text=True
        )
        assert daemon.stderr is not None
        assert "waiting up to" in daemon.stderr.readline()
        daemon.terminate()
        assert daemon.wait(timeout=SECONDS) == 0
        daemon.stderr.close()


def test_start_folder_in_place_of_the_socket_is_named(inbox: Path) -> None:
    paths.socket_path().mkdir(parents=True)
    answer = imgscore("start")
    assert answer.code == 1 and "imgscore/control.sock is not a socket" in answer.err
    assert paths.socket_path().is_dir()
    assert "is not a socket" in imgscore("doctor").out


def test_start_daemon_that_crashes_names_the_log(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watchdog.py").write_text("raise RuntimeError('this package is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = imgscore("start")
    assert answer.code == 1
    assert "the daemon ended while it started (exit code 1)" in answer.err
    assert short(str(log_file())) in answer.err
    assert "is broken" in log_file().read_text()
