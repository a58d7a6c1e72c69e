"""A sandbox: an inbox, a config, a store and at most one daemon, all of them inside one folder.

The demo, the tests and the benches run imgscore in it, apart from the user's own files. No test
framework is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from imgscore import client, config_edit
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.messages import Message
from imgscore.verbs.base import rows_of

T = TypeVar("T")
Row = dict[str, Any]
"""A row as decoded JSON, with the keys that `--json` prints."""
IMGSCORE = (sys.executable, "-P", "-m", "imgscore.cli.main")
IMGSCORED = (sys.executable, "-P", "-m", "imgscored.main")
START_SECONDS = 60.0
"""Until a daemon listens: 0.3 s on an idle machine, many times that on a busy one."""
WAIT_SECONDS = 600.0
"""Until a command has ended, or a daemon has nothing to do."""
STOP_SECONDS = 60.0
"""Until a daemon has ended after SIGTERM. It finishes the transaction that it is in."""
EVENT_SECONDS = 300.0
"""Until an awaited condition holds. Only a failure takes so long, even on an overloaded machine."""
POLL_SECONDS = 0.02
"""Between two checks of a condition."""
FAST = MappingProxyType({"settle": 0.1, "train_after": 0.2, "workers": 2, "worker_idle": 5})
"""Settings of the daemon with which it acts on a change within half a second."""
SERVICE_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")
"""They connect a process to systemd. A daemon of a sandbox is not a part of that service."""


def eventually(
    condition: Callable[[], T | None],
    *,
    seconds: float = EVENT_SECONDS,
    what: str | Callable[[], object] = "",
    pause: float = POLL_SECONDS,
) -> T:
    """Call `condition` until it returns something true; return that.

    `what`: what is awaited, for the message of the TimeoutError that is raised after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            awaited = what() if callable(what) else what
            raise TimeoutError(f"not within {seconds:g} s: {awaited}")
        time.sleep(pause)
    return value


class Completed(NamedTuple):
    """The exit code and the output of a command that has ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Row]:
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> Row:
        """The only JSON line of stdout."""
        (row,) = self.rows
        return row


def run(
    command: Sequence[str | Path],
    environment: dict[str, str] | None = None,
    *,
    seconds: float | None = WAIT_SECONDS,
) -> Completed:
    """Run a command to its end, without input. Raises subprocess.TimeoutExpired."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=seconds,
    )
    return Completed(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


class Sandbox:
    """`folder` with an inbox in it, and `home` with the XDG folders: by default `folder`/home.

    `with sandbox:` ends the daemon, whatever happens in the block; the folder stays.
    """

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.home = (home or self.folder / "home").absolute()
        self.inbox = self.folder / "inbox"
        self.log = self.home / "imgscored.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.running:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()

    # ---- folders and config

    @property
    def keep(self) -> Path:
        """The inbox's keep folder."""
        return self.inbox / "keep"

    @property
    def trash(self) -> Path:
        """The inbox's trash folder."""
        return self.inbox / "trash"

    @property
    def config_file(self) -> Path:
        """config.toml."""
        return self.home / "config" / "imgscore" / "config.toml"

    @property
    def data_folder(self) -> Path:
        """The store, the heads and the backups."""
        return self.home / "data" / "imgscore"

    @property
    def store_folder(self) -> Path:
        """The LMDB environment."""
        return self.data_folder / "store"

    @property
    def socket_path(self) -> Path:
        """The daemon's control socket."""
        return self.home / "run" / "imgscore" / "control.sock"

    def environment(self) -> dict[str, str]:
        """This process's environment, with HOME and the XDG folders of the sandbox."""
        kept = {name: value for name, value in os.environ.items() if name not in SERVICE_VARIABLES}
        folders = {
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.home / "config",
            "XDG_DATA_HOME": self.home / "data",
            "XDG_CACHE_HOME": self.home / "cache",
            "XDG_RUNTIME_DIR": self.home / "run",
        }
        kept |= {name: os.fspath(folder) for name, folder in folders.items()}
        return kept | {"PYTHONUSERBASE": site.getuserbase()}  # by default, it is below HOME

    def make_home(self) -> None:
        """Make HOME and the XDG folders."""
        for name in ("config", "data", "cache", "run"):
            (self.home / name).mkdir(parents=True, exist_ok=True)

    def configure(self, *inboxes: Path, **daemon: float | str) -> None:
        """Make all folders and write config.toml; `daemon`: settings of its [daemon] table.

        Without `inboxes`, the sandbox's own inbox is watched. On battery, the daemon works on.
        """
        self.make_home()
        settings = {"on_battery": "work", **daemon}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        text = "\n".join(["[daemon]", *lines, ""])
        for inbox in inboxes or (self.inbox,):
            for name in ("keep", "trash"):
                (inbox / name).mkdir(parents=True, exist_ok=True)
            text = config_edit.with_watch(text, {"inbox": os.fspath(inbox)})
        self.config_file.parent.mkdir(exist_ok=True)
        self.config_file.write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """Kill the daemon and delete the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- commands

    def run(self, *arguments: str | Path, seconds: float | None = WAIT_SECONDS) -> Completed:
        """Run `imgscore` with these arguments to its end."""
        return run([*IMGSCORE, *arguments], self.environment(), seconds=seconds)

    # ---- the daemon

    def launch(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> None:
        """Start a daemon, and return before it listens.

        `prefix`: a command that runs the daemon, such as prlimit with its options.
        """
        if self.running:
            raise RuntimeError(f"{self.folder} has a daemon already: process {self.pid}")
        self.make_home()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *IMGSCORED, *options],
                env=self.environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C in the terminal interrupts this process, which ends it
            )

    def start(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> None:
        """Start a daemon; it listens when this returns. Raises ImgscoreError if it ends before."""
        self.launch(*options, prefix=prefix, **environment)
        try:
            self.connect().close()
        except (NoDaemonError, TimeoutError):
            raise ImgscoreError(
                f"the daemon did not start: {self.log_tail()}", f"see {self.log}"
            ) from None

    @property
    def running(self) -> bool:
        """Whether the daemon that was started last is running."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the daemon that was started last."""
        assert self.process is not None, "no daemon was started"
        return self.process.pid

    @property
    def log_text(self) -> str:
        """The log of all daemons of the sandbox."""
        return self.log.read_text(errors="replace")

    def log_tail(self, lines: int = 3) -> str:
        """The last lines of the log, as one."""
        return " / ".join(self.log_text.splitlines()[-lines:])

    def stop(self) -> int:
        """End the daemon by SIGTERM; returns its exit code. Raises subprocess.TimeoutExpired."""
        assert self.process is not None, "no daemon was started"
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the daemon, if there is one, by SIGKILL. Its workers end when their input does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    # ---- requests to the daemon

    def connect(self) -> socket.socket:
        """A connection to the daemon. Raises NoDaemonError if it has ended.

        A daemon that has just been started, or reads its config again, does not listen yet.
        """

        def attempt() -> socket.socket | None:
            connection = client.connect(self.socket_path)
            if connection is None and not self.running:
                raise NoDaemonError("the daemon has ended", f"see {self.log}")
            return connection

        return eventually(attempt, seconds=START_SECONDS, what="the daemon listens")

    def call(self, verb: str, **arguments: Any) -> Iterator[Message[Row]]:
        """A verb's messages, progress included. Raises NoDaemonError if the daemon has ended."""
        with self.connect() as connection:
            yield from client.exchange(connection, verb, arguments)

    def ask(self, verb: str, **arguments: Any) -> list[Row]:
        """A verb's rows. Raises NoDaemonError if the daemon has ended."""
        return rows_of(self.call(verb, **arguments))

    def status(self) -> Row:
        """The daemon's status."""
        (row,) = self.ask("status")
        return row

    def settle(self, seconds: float = WAIT_SECONDS) -> Row:
        """Wait until nothing is pending; returns the status. Raises ImgscoreError otherwise."""
        self.ask("wait", timeout=seconds)
        return self.status()

    def until(
        self, wanted: Callable[[Row], object], what: str = "", seconds: float = EVENT_SECONDS
    ) -> Row:
        """The first status for which `wanted` is true. Raises TimeoutError after `seconds`."""
        status: Row = {}

        def reached() -> bool:
            nonlocal status
            try:
                status = self.status()
            except NoDaemonError:  # it may be reading its config again
                if not self.running:
                    raise
                return False
            return bool(wanted(status))

        eventually(reached, seconds=seconds, what=lambda: f"{what}; status: {status}")
        return status
