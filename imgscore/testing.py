"""A sandbox: one folder with an inbox, a config, a store and at most one daemon.

The demo, the tests and the benchmarks run imgscore in a sandbox, so imgscore does not use the
user's own files. This module does not need a test framework.
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
"""One row that a command prints with `--json`, decoded."""
IMGSCORE = (sys.executable, "-P", "-m", "imgscore.cli.main")
IMGSCORED = (sys.executable, "-P", "-m", "imgscored.main")
START_SECONDS = 60.0
"""The largest number of seconds to wait for a new daemon to accept connections. An idle machine
needs 0.3 s, and a busy machine needs many times longer."""
WAIT_SECONDS = 600.0
"""The largest number of seconds to wait for the end of a command, or for a daemon to finish all its
work."""
STOP_SECONDS = 60.0
"""The largest number of seconds from SIGTERM to the end of a daemon. In this time, the daemon
finishes its current transaction."""
EVENT_SECONDS = 300.0
"""The largest number of seconds to wait for a condition in a test. The time is so long that even an
overloaded machine reaches it only if the test fails."""
POLL_SECONDS = 0.02
"""The number of seconds between two checks of a condition."""
FAST = MappingProxyType({"settle": 0.1, "train_after": 0.2, "workers": 2, "worker_idle": 5})
"""The settings with which a daemon reacts to a change within half a second."""
SERVICE_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")
"""The environment variables that connect a process to systemd. The daemon of a sandbox must not
belong to the systemd service of the calling process."""


def eventually(
    condition: Callable[[], T | None],
    *,
    seconds: float = EVENT_SECONDS,
    what: str | Callable[[], object] = "",
    pause: float = POLL_SECONDS,
) -> T:
    """Call `condition` until it returns a true value, and return this value.

    `seconds`: the time after which TimeoutError is raised. `what`: a description of the condition,
    for the message of this error. `pause`: the number of seconds between two calls of `condition`.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            awaited = what() if callable(what) else what
            raise TimeoutError(f"this did not happen within {seconds:g} s: {awaited}")
        time.sleep(pause)
    return value


class Completed(NamedTuple):
    """The result of a command that has ended: its exit code, its stdout and its stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Row]:
        """Decode each line of stdout as JSON, and return the decoded rows."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> Row:
        """Decode the only line of stdout as JSON, and return the decoded row."""
        (row,) = self.rows
        return row


def run(
    command: Sequence[str | Path],
    environment: dict[str, str] | None = None,
    *,
    seconds: float | None = WAIT_SECONDS,
) -> Completed:
    """Run a command without input, and wait until it ends.

    Raises subprocess.TimeoutExpired after `seconds`.
    """
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
    """A sandbox in `folder`. The inbox is `folder`/inbox.

    `home`: the folder that contains the XDG folders; None means `folder`/home. A sandbox is a
    context manager: it ends the daemon at the end of the block, and does not delete the folder.
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

    # ---- the folders and the config of the sandbox

    @property
    def keep(self) -> Path:
        """The keep folder of the inbox."""
        return self.inbox / "keep"

    @property
    def trash(self) -> Path:
        """The trash folder of the inbox."""
        return self.inbox / "trash"

    @property
    def config_file(self) -> Path:
        """The path of config.toml."""
        return self.home / "config" / "imgscore" / "config.toml"

    @property
    def data_folder(self) -> Path:
        """The folder of the store, the heads and the backups."""
        return self.home / "data" / "imgscore"

    @property
    def store_folder(self) -> Path:
        """The folder of the LMDB environment."""
        return self.data_folder / "store"

    @property
    def socket_path(self) -> Path:
        """The path of the daemon's control socket."""
        return self.home / "run" / "imgscore" / "control.sock"

    def environment(self) -> dict[str, str]:
        """Return the environment variables for commands in the sandbox.

        They are the variables of this process without SERVICE_VARIABLES. HOME and the XDG folders
        are those of the sandbox.
        """
        kept = {name: value for name, value in os.environ.items() if name not in SERVICE_VARIABLES}
        folders = {
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.home / "config",
            "XDG_DATA_HOME": self.home / "data",
            "XDG_CACHE_HOME": self.home / "cache",
            "XDG_RUNTIME_DIR": self.home / "run",
        }
        kept |= {name: os.fspath(folder) for name, folder in folders.items()}
        # Python imports the user's packages from PYTHONUSERBASE. By default this is a folder below
        # HOME, but HOME is another folder in the sandbox.
        return kept | {"PYTHONUSERBASE": site.getuserbase()}

    def make_home(self) -> None:
        """Make HOME and the XDG folders of the sandbox."""
        for name in ("config", "data", "cache", "run"):
            (self.home / name).mkdir(parents=True, exist_ok=True)

    def configure(self, *inboxes: Path, **daemon: float | str) -> None:
        """Make all folders, and write config.toml.

        `inboxes`: the inboxes to watch. If `inboxes` is empty, the inbox of the sandbox is watched.
        `daemon`: settings of the [daemon] table. The default `on_battery = "work"` lets the daemon
        work on battery too. The default `order_from_keeps = false` leaves all dates as they are
        until both labels exist.
        """
        self.make_home()
        settings = {"on_battery": "work", "order_from_keeps": False, **daemon}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        text = "\n".join(["[daemon]", *lines, ""])
        for inbox in inboxes or (self.inbox,):
            for name in ("keep", "trash"):
                (inbox / name).mkdir(parents=True, exist_ok=True)
            text = config_edit.with_watch(text, {"inbox": os.fspath(inbox)})
        self.config_file.parent.mkdir(exist_ok=True)
        self.config_file.write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """Kill the daemon, and delete the folder of the sandbox."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- running a command of imgscore

    def run(self, *arguments: str | Path, seconds: float | None = WAIT_SECONDS) -> Completed:
        """Run `imgscore` with these arguments in the sandbox, and wait until it ends."""
        return run([*IMGSCORE, *arguments], self.environment(), seconds=seconds)

    # ---- starting and ending the daemon

    def launch(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> None:
        """Start a daemon, but do not wait until it accepts connections.

        `prefix`: a command that runs the daemon, such as prlimit with its options. `environment`:
        additional environment variables.
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
                # The daemon gets its own process group, so Ctrl-C in the terminal interrupts only
                # this process. This process then ends the daemon.
                process_group=0,
            )

    def start(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> None:
        """Start a daemon, and wait until it accepts connections.

        Raises ImgscoreError if the daemon ends first, or if START_SECONDS have passed.
        """
        self.launch(*options, prefix=prefix, **environment)
        try:
            self.connect().close()
        except (NoDaemonError, TimeoutError):
            raise ImgscoreError(
                f"the daemon did not start: {self.log_tail()}", f"see {self.log}"
            ) from None

    @property
    def running(self) -> bool:
        """Return whether the daemon that was started last is still running."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the daemon that was started last."""
        assert self.process is not None, "no daemon was started"
        return self.process.pid

    @property
    def log_text(self) -> str:
        """The text of the log. All daemons of the sandbox write to the same log."""
        return self.log.read_text(errors="replace")

    def log_tail(self, lines: int = 3) -> str:
        """Return the last lines of the log, joined into one line."""
        return " / ".join(self.log_text.splitlines()[-lines:])

    def stop(self) -> int:
        """End the daemon with SIGTERM, and return its exit code.

        Raises subprocess.TimeoutExpired after STOP_SECONDS.
        """
        assert self.process is not None, "no daemon was started"
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the daemon with SIGKILL, if there is one.

        The workers of the daemon then exit, because their stdin closes.
        """
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    # ---- sending requests to the daemon

    def connect(self) -> socket.socket:
        """Return a connection to the daemon. Raises NoDaemonError if the daemon has ended.

        The function waits until the daemon accepts connections. A daemon accepts no connections
        during its start, or while it reads its config again.
        """

        def attempt() -> socket.socket | None:
            connection = client.connect(self.socket_path)
            if connection is None and not self.running:
                raise NoDaemonError("the daemon has ended", f"see {self.log}")
            return connection

        return eventually(attempt, seconds=START_SECONDS, what="the daemon listens")

    def call(self, verb: str, **arguments: Any) -> Iterator[Message[Row]]:
        """Send a request to the daemon, and yield all messages of the answer: rows and progress.

        Raises NoDaemonError if the daemon has ended.
        """
        with self.connect() as connection:
            yield from client.exchange(connection, verb, arguments)

    def ask(self, verb: str, **arguments: Any) -> list[Row]:
        """Send a request to the daemon, and return the rows of the answer.

        Raises NoDaemonError if the daemon has ended.
        """
        return rows_of(self.call(verb, **arguments))

    def status(self) -> Row:
        """Return the status of the daemon."""
        (row,) = self.ask("status")
        return row

    def settle(self, seconds: float = WAIT_SECONDS) -> Row:
        """Wait until the daemon has finished all its work, and return its status.

        Raises ImgscoreError if the daemon has not finished after `seconds`.
        """
        self.ask("wait", timeout=seconds)
        return self.status()

    def until(
        self, wanted: Callable[[Row], object], what: str = "", seconds: float = EVENT_SECONDS
    ) -> Row:
        """Ask for the status of the daemon until `wanted(status)` is true, and return this status.

        `what`: the expected event, for the error message. Raises TimeoutError after `seconds`.
        """
        status: Row = {}

        def reached() -> bool:
            nonlocal status
            try:
                status = self.status()
            # The daemon accepts no connections while it reads its config again. Try again if it is
            # still running.
            except NoDaemonError:
                if not self.running:
                    raise
                return False
            return bool(wanted(status))

        eventually(reached, seconds=seconds, what=lambda: f"{what}; status: {status}")
        return status
