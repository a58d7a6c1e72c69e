"""A systemd in namespaces of its own, with a user whose service manager runs the daemon."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imgscore.system import systemd
from imgscore.testing import eventually
from imgscore.workers import worker
from tests.conftest import put

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]
NEEDED = (
    "systemctl",
    "journalctl",
    "dbus-daemon",
    "loginctl",
    "unshare",
    "nsenter",
    "runuser",
    "setpriv",
)
SECONDS = 300.0
CONFIG = """
[daemon]
settle = 0.1
train_after = 0.2
order_from_keeps = false
file_seconds = 20
"""


class Box:
    """A booted systemd. `home`: its user's home, and `folder`: its /box, as paths of the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.mkfifo(folder / "ready")
        script = Path(__file__).with_name("box.sh")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", script, folder, sys.prefix, sys.base_prefix, ROOT],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        pipe = os.open(folder / "ready", os.O_RDWR)
        if not select.select([pipe], [], [], SECONDS)[0]:
            self._process.kill()
            raise AssertionError(f"the box does not boot:\n{(folder / 'log').read_text()}")
        self.uid = int(os.read(pipe, 16))
        os.close(pipe)
        self._init = _only_child(_only_child(self._process.pid))  # box.sh → unshare → systemd
        self.home = Path(f"/proc/{self._init}/root/home/box")

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command as the user; returns its output."""
        return self._enter("box", *command, check=check)

    def _enter(self, user: str, *command: str | Path, check: bool = True) -> str:
        enter = f"nsenter --target={self._init} --mount --pid --cgroup --root runuser -u {user} --"
        environment = f"env -i -C /home/box HOME=/home/box XDG_RUNTIME_DIR=/run/user/{self.uid}"
        done = subprocess.run(
            [*enter.split(), *environment.split(), f"PATH={BIN}:/usr/bin:/bin", *command],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def imgscore(self, *arguments: str | Path, check: bool = True) -> dict[str, Any]:
        """The last JSON line of `imgscore … --json`."""
        lines = self.run("imgscore", *arguments, "--json", check=check).splitlines()
        return dict(json.loads(lines[-1])) if lines else {}

    def show(self, name: str) -> str:
        """A property of the service."""
        return self.run("systemctl", "--user", "show", "-P", name, systemd.NAME).strip()

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """`systemctl --user`."""
        return self.run("systemctl", "--user", *arguments, check=check)

    def journal(self) -> list[tuple[int, str]]:
        """(priority, message) of each line that the service logged in this test.

        The lines of systemd itself are left out: their text, number and order may change.
        """
        rows = self._journal("SYSLOG_IDENTIFIER=imgscored")
        return [(int(row["PRIORITY"]), str(row["MESSAGE"])) for row in rows]

    def failures(self) -> list[str]:
        """The failures of the service in this test, as systemd recorded them: "watchdog", …"""
        return [str(row["UNIT_RESULT"]) for row in self._journal() if "UNIT_RESULT" in row]

    def _journal(self, *matches: str) -> list[dict[str, Any]]:
        self._enter("root", "journalctl", "--sync")  # otherwise the last lines may be missing
        text = self.run(
            *("journalctl", "--user", "-u", "imgscored", "-o", "json", "--no-pager"),
            *(f"--since=@{self.since}", *matches),
        )
        return [json.loads(line) for line in text.splitlines()]

    def await_(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        status = partial(self.systemctl, "status", systemd.NAME, check=False)
        eventually(condition, seconds=SECONDS, what=status)

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process, by its pid inside the box."""
        self.run("kill", f"-{number.value}", str(pid))

    def workers(self) -> list[int]:
        """The pids of the daemon's workers."""
        pattern = worker.__name__.replace(".", "[.]")  # does not match pgrep itself
        pids = self.run("pgrep", "--full", pattern, check=False)
        return [int(pid) for pid in pids.split()]

    def change_unit(self, *lines: str) -> None:
        """Override settings of the service for this test."""
        folder = f".config/systemd/user/{systemd.NAME}.d"
        self.run("mkdir", "--parents", folder)
        text = "\n".join(("[Service]", "RestartSec=100ms", *lines, ""))
        (self.home / folder / "test.conf").write_text(text)
        self.systemctl("daemon-reload")

    def begin(self) -> None:
        """Give the user an inbox, and a config with which the daemon acts at once."""
        self.since = f"{time.time():.6f}"
        self.run("imgscore", "init", "/home/box/inbox")
        with (self.home / ".config/imgscore/config.toml").open("a") as file:
            file.write(CONFIG)
        self.inbox = self.home / "inbox"
        self.change_unit()

    def end(self) -> None:
        """Uninstall the service and empty the home."""
        self.run("imgscore", "service", "uninstall")
        self.systemctl("reset-failed", check=False)
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.systemctl("daemon-reload")

    def drop(self, kind: str, count: int, first: int = 0) -> list[Path]:
        """Add pictures to the inbox; the user owns them before they appear there."""
        staging = self.home / "staging"
        staging.mkdir(exist_ok=True)
        paths = put(staging, kind, count, first)
        for path in paths:
            os.chown(path, self.uid, self.uid)
        return [path.rename(self.inbox / path.name) for path in paths]

    def close(self) -> None:
        """End all processes of the box."""
        os.kill(self._init, signal.SIGKILL)
        self._process.wait(timeout=SECONDS)


def _only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def _missing() -> str:
    """The reason why no box can run here, or ""."""
    if os.getuid() != 0:
        return "needs root, to make namespaces"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return "apt install systemd libpam-systemd dbus dbus-user-session procps util-linux"
    probe = "mount -t tmpfs none /mnt && mount -t cgroup2 none /mnt && mount -t proc none /mnt"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--cgroup", "sh", "-c", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"cannot make namespaces here: {done.stderr.strip()}" if done.returncode else ""


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The box of all tests."""
    if reason := _missing():
        pytest.skip(reason)
    box = Box(tmp_path_factory.mktemp("box"))
    yield box
    box.close()


@pytest.fixture
def box(booted: Box) -> Iterator[Box]:
    """The box, without a service or config of an earlier test."""
    booted.begin()
    yield booted
    booted.end()
