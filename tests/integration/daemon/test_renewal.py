"""The daemon starts again in its own process to return memory."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from imgscored import renewal
from imgscored.renewal import Renewal

from imgscore.store.lock import BusyError, StoreLock
from imgscore.system.upgrade import program_files
from imgscore.testing import IMGSCORE, Sandbox, eventually
from tests.conftest import put

STARTED = "starting again"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as sandbox:
        sandbox.configure(settle=0.05, worker_idle=0.2)
        yield sandbox


def start(sandbox: Sandbox, seconds: float) -> None:
    sandbox.start("--renew-after", str(seconds), "--renew-growth", "-100000000")


def test_daemon_with_unused_memory_starts_again_and_goes_on(sandbox: Sandbox) -> None:
    put(sandbox.inbox, "sun", 3)
    start(sandbox, 0.2)
    pid, errors = sandbox.pid, []
    stop = threading.Event()

    def try_lock() -> None:
        while not stop.wait(0.002):
            try:
                StoreLock(sandbox.data_folder).close()
                errors.append("the store was unlocked")
            except BusyError:
                pass

    rival = threading.Thread(target=try_lock)
    rival.start()
    try:
        eventually(lambda: sandbox.log_text.count("watching ") == 2)
    finally:
        stop.set()
        rival.join()
    assert not errors and STARTED in sandbox.log_text
    put(sandbox.inbox, "moon", 2)
    sandbox.ask("wait")
    (status,) = sandbox.ask("status")
    assert status["pid"] == pid == sandbox.pid and status["watches"][0]["files"] == 5
    if "no Landlock" not in sandbox.log_text:
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert command.count("--lock-descriptor") == 1
    time.sleep(1.0)  # A new start takes 0.2 s after the memory was returned, which takes 3 s.
    assert sandbox.log_text.count(STARTED) == 1
    assert sandbox.stop() == 0
    StoreLock(sandbox.data_folder).close()


def test_daemon_with_a_follower_starts_again_and_the_follower_goes_on(sandbox: Sandbox) -> None:
    # Until the pause ends, the daemon has work, so it does not start again.
    assert sandbox.run("pause").code == 0
    put(sandbox.inbox, "moon", 1)
    start(sandbox, 0.2)
    with subprocess.Popen(
        [*IMGSCORE, "watch-log", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=sandbox.environment(),
    ) as follower:
        assert follower.stdout is not None
        try:
            rows = map(json.loads, follower.stdout)
            assert next(rows)["event"] == "following"
            assert STARTED not in sandbox.log_text
            sandbox.ask("resume")
            assert any(row["event"] == "following" for row in rows)
            assert STARTED in sandbox.log_text
            put(sandbox.inbox, "sun", 2)
            assert next(rows)["event"]
        finally:
            follower.kill()
    assert sandbox.stop() == 0


def test_daemon_stopped_while_it_starts_again_ends_without_an_error(sandbox: Sandbox) -> None:
    start(sandbox, 0.0)
    eventually(lambda: STARTED in sandbox.log_text, pause=0.0)
    os.kill(sandbox.pid, signal.SIGTERM)
    assert sandbox.process is not None and sandbox.process.wait() == 0
    with StoreLock(sandbox.data_folder) as lock:
        assert not lock.is_unverified


def test_renewal_waits_after_growth_and_begins_again_after_work() -> None:
    grown = Renewal(5.0, -(1 << 30), renewed=False)
    assert not grown.is_due(1e9)
    grown.released(100.0)
    assert grown.due_at == 105.0 and grown.is_due(105.0) and not grown.is_due(104.0)
    grown.postpone()
    assert grown.due_at is None
    grown.released(200.0)
    assert grown.due_at == 205.0


def test_renewal_without_growth_is_never_due() -> None:
    same = Renewal(0.0, 1 << 30, renewed=False)
    same.released(1.0)
    assert same.due_at is None


def test_renewal_after_a_new_start_measures_from_the_first_scan() -> None:
    renewed = Renewal(0.0, -(1 << 30), renewed=True)
    renewed.released(1.0)
    assert renewed.due_at is None
    renewed.released(2.0)
    assert renewed.due_at == 2.0


def test_renewal_after_an_upgrade_is_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = Renewal(0.0, -(1 << 30), renewed=False)
    monkeypatch.setattr(program_files, "_checksum", 1)
    grown.released(1.0)
    assert grown.due_at is None


def test_arguments_of_a_new_start_name_only_the_new_descriptors() -> None:
    first = renewal.arguments(["python", "-m", "imgscored.main", "--verbose"], 7)
    assert first == ["python", "-m", "imgscored.main", "--verbose", "--lock-descriptor", "7"]
    assert renewal.arguments(first, 8) == [*first[:-1], "8"]
    started = ["python", "imgscored", "--startup-descriptor", "5", "--startup-descriptor=6"]
    assert renewal.arguments(started, 7) == ["python", "imgscored", "--lock-descriptor", "7"]


@pytest.mark.parametrize("command", ["stop", "start"])
def test_command_while_the_daemon_starts_again_waits_for_it(sandbox: Sandbox, command: str) -> None:
    start(sandbox, 0.0)
    pid = sandbox.pid
    eventually(lambda: STARTED in sandbox.log_text, pause=0.0)
    os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen([*IMGSCORE, command], env=sandbox.environment()) as process:
        time.sleep(1.0)  # The command finds the store locked, and no socket.
        os.kill(pid, signal.SIGCONT)
    assert process.returncode == 0
    if command == "start":
        assert sandbox.status()["pid"] == pid and sandbox.stop() == 0
    else:
        assert sandbox.process is not None and sandbox.process.wait() == 0
