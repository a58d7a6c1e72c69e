"""A daemon with a folder of its own, to be killed and started again as often as is wanted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from imgscore import client
from imgscore.errors import NoDaemonError
from imgscore.messages import Result
from imgscore.store import labels, vectors
from imgscore.store.store import Store
from imgscore.verbs.base import Row

START_SECONDS = 60.0
SETTLE_SECONDS = 600.0
IMPATIENT = {"settle": 0.1, "train_after": 0.2, "worker_idle": 5, "workers": 2}


class Fault(NamedTuple):
    """One kind of violence: how often it was tried, and what was lost; nothing, if all is well."""

    name: str
    tries: int
    losses: list[str]
    note: str = ""


class LostError(Exception):
    """A promise was broken."""


class Answer(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Row]:
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class Sandbox:
    """An inbox, a config, a store and at most one daemon, all inside `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.home = folder / "home"
        self.log = folder / "imgscored.log"
        self.process: subprocess.Popen[bytes] | None = None

    # ---- places

    @property
    def environment(self) -> dict[str, str]:
        """XDG's folders, all of them here."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "IMGSCORE_STOP_AT")
        }
        names = {"CONFIG_HOME": "config", "DATA_HOME": "data", "CACHE_HOME": "cache",
                 "RUNTIME_DIR": "run"}  # fmt: skip
        places = {f"XDG_{name}": os.fspath(self.home / place) for name, place in names.items()}
        return kept | places | {"HOME": os.fspath(self.home)}

    @property
    def config(self) -> Path:
        """config.toml."""
        return self.home / "config" / "imgscore" / "config.toml"

    @property
    def data(self) -> Path:
        """Where the store lies."""
        return self.home / "data" / "imgscore"

    def prepare(self, watches: str | None = None, **daemon: float) -> None:
        """Make the folders and a config; `daemon`: settings of that part of it."""
        for folder in (self.inbox / "keep", self.inbox / "trash", self.config.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("data", "cache", "run"):
            (self.home / name).mkdir(exist_ok=True)
        self.configure(watches, **daemon)

    def configure(self, watches: str | None = None, **daemon: float) -> None:
        """Write config.toml anew."""
        settings = {**IMPATIENT, "free_mb": 0, **daemon}
        lines = [f"{name} = {value}" for name, value in settings.items()]
        watches = watches or f'[[watch]]\ninbox = "{self.inbox}"\n'
        self.config.write_text("\n".join([watches, "[daemon]", *lines, ""]), encoding="utf-8")

    # ---- the daemon

    def launch(self, stop_at: str = "", prefix: tuple[str, ...] = ()) -> None:
        """Start a daemon; it may end by itself at a step."""
        assert self.process is None or self.process.poll() is not None, "one daemon a yard"
        environment = self.environment | ({"IMGSCORE_STOP_AT": stop_at} if stop_at else {})
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-P", "-m", "imgscored.main", "--verbose"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def start(self, prefix: tuple[str, ...] = ()) -> None:
        """Start a daemon that is to stay. Raises LostError where it does not come up."""
        self.launch(prefix=prefix)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.running:
            connection = client.connect(self._socket)
            if connection is not None:
                connection.close()
                return
            time.sleep(0.02)
        raise LostError(f"the daemon does not start: {self.tail()}")

    @property
    def running(self) -> bool:
        """Whether there is a daemon process."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def _socket(self) -> Path:
        return self.home / "run" / "imgscore" / "control.sock"

    def tail(self, lines: int = 5) -> str:
        """The end of the log."""
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """kill -9, and its workers end with their input."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def connect(self) -> socket.socket:
        """A client that says nothing."""
        connection = client.connect(self._socket)
        if connection is None:
            raise LostError("nobody listens")
        return connection

    def ask(self, verb: str, **arguments: Any) -> list[Row]:
        """A verb's rows, from the daemon. Raises NoDaemonError where it ends before."""
        deadline = time.monotonic() + START_SECONDS
        while (connection := client.connect(self._socket)) is None:
            if not self.running or time.monotonic() > deadline:
                raise NoDaemonError("the daemon has ended")
            time.sleep(0.02)
        with connection:
            messages = client.call(connection, verb, arguments)
            return [message.row for message in messages if isinstance(message, Result)]

    def status(self) -> Row:
        """The daemon's status."""
        (row,) = self.ask("status")
        return row

    def settle(self) -> Row:
        """Wait until nothing is pending; the status then."""
        rows = self.ask("wait", timeout=SETTLE_SECONDS)
        status = self.status()
        if status["pending"]:
            raise LostError(f"it does not come to rest: {rows} {status}")
        return status

    def until(self, wanted: Callable[[Row], bool], what: str, seconds: float = 120.0) -> Row:
        """The first status that is as wanted."""
        deadline = time.monotonic() + seconds
        while not wanted(status := self.status()):
            if time.monotonic() > deadline:
                raise LostError(f"not within {seconds:.0f} s: {what}: {status}")
            time.sleep(0.05)
        return status

    def command(self, *arguments: str | Path, check: bool = False) -> Answer:
        """Run `imgscore` as a user would."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "imgscore.cli.main", *map(os.fspath, arguments)],
            env=self.environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=SETTLE_SECONDS,
        )
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if check and done.returncode:
            raise LostError(f"imgscore {' '.join(map(str, arguments))}: {done.returncode}: {err}")
        return Answer(done.returncode, out, err)

    # ---- what is known, and what is on disk

    def embedded(self) -> set[str]:
        """Digests with a vector that is committed, under each embedder; while no daemon runs."""
        found: list[set[str]] = []
        with Store(self.data / "store", readonly=True) as store, store.read() as txn:
            for embedder in vectors.embedders(txn):
                blocks = b"".join(names for names, _ in vectors.blocks(txn, embedder))
                found.append({blocks[at : at + 32].hex() for at in range(0, len(blocks), 32)})
        return set.intersection(*found) if found else set()

    def labels(self) -> dict[str, str]:
        """digest → label; only while no daemon runs."""
        with Store(self.data / "store", readonly=True) as store, store.read() as txn:
            return {one.hex(): label.label for one, label in labels.iter_all(txn, "default")}

    def files(self) -> list[Path]:
        """Every file of the inbox and the folders in it."""
        return sorted(path for path in self.inbox.rglob("*") if path.is_file())

    def newest_first(self) -> list[str]:
        """Names of what is to be ordered, as a viewer shows them."""
        ordered = [path for path in self.files() if path.parent.name not in ("keep", "trash")]
        return [path.name for path in sorted(ordered, key=lambda one: -one.stat().st_mtime_ns)]


@contextlib.contextmanager
def ending(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A yard whose daemon, and folder, are gone afterwards."""
    try:
        yield sandbox
    finally:
        sandbox.kill()
        shutil.rmtree(sandbox.folder, ignore_errors=True)
