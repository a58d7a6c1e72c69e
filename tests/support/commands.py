"""The installed commands and real daemon processes, as a person and a script would use them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgscore import client, paths
from imgscore.messages import Result

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
FAST = """
[daemon]
settle = 0.1
train_after = 0.2
workers = 2
worker_idle = 5
on_battery = "work"
"""


@dataclass
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        """The only JSON line of stdout."""
        (row,) = self.rows
        return row


def imgscore(*arguments: str | Path) -> Answer:
    """Run `imgscore` as installed."""
    done = subprocess.run(
        [BIN / "imgscore", *arguments],
        capture_output=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Answer(
        done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")
    )


class Daemon:
    """A running `imgscored`."""

    def __init__(self, log: Path, environment: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [BIN / "imgscored"],
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
            )
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = client.connect(paths.socket_path())
            if connection is not None:
                connection.close()
                return
            time.sleep(0.02)  # nothing to await: the socket is what is awaited
        raise AssertionError(f"the daemon did not start:\n{self.text}")

    @property
    def text(self) -> str:
        """What it logged."""
        return self.log.read_text(errors="replace")

    def ask(self, verb: str, **arguments: Any) -> list[dict[str, Any]]:
        """The rows that the daemon answers; while it reads its config again, it is asked again."""
        deadline = time.monotonic() + START_SECONDS
        while (connection := client.connect(paths.socket_path())) is None:
            assert self.process.poll() is None and time.monotonic() < deadline, self.text
            time.sleep(0.02)
        with connection:
            messages = client.call(connection, verb, arguments)
            return [message.row for message in messages if isinstance(message, Result)]

    def settle(self) -> dict[str, Any]:
        """Wait until nothing is pending; returns the status."""
        self.ask("wait", timeout=240)
        return self.status()

    def status(self) -> dict[str, Any]:
        """Its status now."""
        (row,) = self.ask("status")
        return row

    def settled_state(self) -> str:
        """Its state, once the loop has seen what was asked before."""
        self.ask("history", limit=0)
        return str(self.status()["state"])

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A watched, empty inbox, with a daemon config for impatient people."""
    folder = tmp_path / "inbox"
    answer = imgscore("init", folder)
    assert answer.code == 0, answer.err
    with paths.config_file().open("a") as file:
        file.write(FAST)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a daemon; every one is ended, and none of its workers outlives it."""
    daemons: list[Daemon] = []

    def begin(**environment: str) -> Daemon:
        daemons.append(Daemon(tmp_path / "imgscored.log", environment))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        if daemon.process.poll() is None:
            assert daemon.stop() == 0, daemon.text
        assert "Traceback" not in daemon.text, daemon.text
    _await_no_workers(os.fspath(tmp_path))


def _await_no_workers(name: str) -> None:
    deadline = time.monotonic() + 60
    while left := _workers(name):
        assert time.monotonic() < deadline, f"workers left behind: {left}"
        time.sleep(0.05)


def _workers(name: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            isdigit = folder.name.isdigit()
            command = os.fsdecode((folder / "cmdline").read_bytes()) if isdigit else ""
        except OSError:
            continue
        if name in command and "imgscore.workers.worker" in command:
            found.append(folder.name)
    return found


def newest_first(folder: Path) -> list[str]:
    """Names of the files in a folder, newest first, as a viewer shows them."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in sorted(files, key=lambda path: -int(path.stat().st_mtime))]
