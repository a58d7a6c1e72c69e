"""Starts and ends the daemon, and checks whether the daemon is running."""

import json
import os
import select
import subprocess
import sys
import time
from io import RawIOBase
from pathlib import Path

import msgspec
import typer

from imgscore import client, config, dispatch, paths, protocol
from imgscore.cli.output import to_json
from imgscore.cli.progress_bar import ProgressBar
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.system import systemd
from imgscore.verbs.base import rows_of
from imgscore.verbs.status import Request, Response

DAEMON = (sys.executable, "-P", "-m", "imgscored.main")
START_SECONDS = 60.0
"""The longest time to wait until a daemon is ready, in seconds.

After a crash, the daemon checks the whole store before it is ready.
"""
STOP_SECONDS = 30.0
"""The longest time to wait until a daemon has ended, in seconds.

The daemon may have to finish a transaction before it can end.
"""

MAX_LOG_BYTES = 1_000_000
"""The size of a log, in bytes, from which the next daemon begins a new log. The daemon logs a line
of about 100 bytes for each result."""


class DaemonState(msgspec.Struct):
    """The state of the daemon after `start` or `stop`."""

    state: str
    """`running`, `paused` or `stopped`"""
    pid: int | None
    """the process id of the daemon; null if systemd has not started the daemon yet"""
    error: str | None = None
    """always null"""


def running() -> Response | None:
    """Return the status that the daemon sends, or None if no daemon answers."""
    connection = client.connect_to_daemon()
    if connection is None:
        return None
    with connection:
        (status,) = rows_of(client.call(connection, Request()))
    return status


def ensure_started() -> Response:
    """Start the daemon if none runs. Return its status.

    Start the systemd service if it is installed, otherwise a process. Raises ConfigError if no
    folder is watched.
    """
    status = running()
    if status is None:
        if not config.load().watch:
            raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
        with ProgressBar("starting"):
            status = start_service() if systemd.is_usable() else start_process()
    return status


def start_service() -> Response:
    """Start the systemd service, and return the status of the daemon."""
    systemd.start()
    status = running()
    if status is None:
        raise ImgscoreError(
            f"the service runs, but does not answer on {paths.socket_path()}",
            "the service probably uses other folders for its data and its socket; install the "
            "service again: imgscore service install",
        )
    return status


def start_process() -> Response:
    """Start a daemon that writes its log to a file. Return its status when it is ready.

    If another daemon has locked the store because it has started at the same time, return the
    status of that daemon. Raises ImgscoreError if the daemon ends, or if it is not ready after
    START_SECONDS.
    """
    log = paths.cache_folder() / "imgscored.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    report, descriptor = os.pipe()
    with open(report, "rb", buffering=0) as reader:
        with open(descriptor, "wb"), log.open("ab") as stderr:
            process = subprocess.Popen(
                [*DAEMON, f"--startup-descriptor={descriptor}"],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
                cwd="/",
                pass_fds=[descriptor],
            )
        line = _read_line(reader, START_SECONDS)
    if line is None:
        raise ImgscoreError(
            f"the daemon (process {process.pid}) is not ready after {START_SECONDS:.0f} s",
            f"wait a minute, then see: imgscore status. The log of the daemon is {log}",
        )
    if not line:
        raise ImgscoreError(
            f"the daemon ended while it started ({_exit_text(process.wait())})",
            f"see the log: {log}",
        )
    answer = json.loads(line)
    if "error" in answer:
        process.wait()
    status = running()
    if "error" in answer and status is None:
        raise protocol.error_in(answer)
    if status is None:
        raise ImgscoreError("the daemon ended as soon as it was ready", f"see the log: {log}")
    return status


def rotate(log: Path) -> None:
    """If a log is large, rename it, so that the next daemon begins a new one. Keep one old log."""
    if log.exists() and log.stat().st_size >= MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.old"))


def _read_line(pipe: RawIOBase, seconds: float) -> bytes | None:
    """Read one line from a pipe.

    Return b"" if the pipe is closed before a whole line was received. Return None if no whole
    line was received within `seconds`.
    """
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = pipe.read(1 << 16)
        if not part:
            return b""
        line += part
    return line


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def daemon_pid() -> int | None:
    """Return the process id of the daemon, or None if no daemon answers.

    If a daemon is starting, wait until it answers. This function also works if the daemon is of
    another version of imgscore.
    """
    connection = dispatch.connect_soon()
    if connection is None:
        return None
    with connection:
        return protocol.peer(connection).pid


def end(pid: int) -> None:
    """End the daemon with process id `pid`. Wait until it has ended, at most STOP_SECONDS."""
    if systemd.is_usable() and systemd.state().pid == pid:
        systemd.stop()
        return
    connection = client.connect_to_daemon()
    if connection is not None:
        with connection:
            list(client.exchange(connection, "stop", {}))
    deadline = time.monotonic() + STOP_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if _is_zombie(pid):
            break
        time.sleep(0.02)


def print_state(state: str, pid: int | None, *, as_json: bool) -> None:
    """Print the state of the daemon as a line of text. If `as_json` is true, print JSON instead."""
    process = f" (process {pid})" if pid else ""
    typer.echo(to_json(DaemonState(state, pid)) if as_json else f"{state}{process}")


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended, even if it is still in /proc.

    An ended process stays in /proc until the parent process reads the exit status.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
