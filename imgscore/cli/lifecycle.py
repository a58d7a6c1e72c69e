"""The life of the daemon: whether it runs, how it starts, how it ends."""

import re
import subprocess
import sys
import time
from pathlib import Path

import typer

from imgscore import client, paths
from imgscore.cli import dispatch
from imgscore.cli.output import to_json
from imgscore.errors import ImgscoreError
from imgscore.system import systemd
from imgscore.verbs.base import Row, rows_of

START_SECONDS = 20.0
STOP_SECONDS = 30.0
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ ", re.MULTILINE)


def running() -> Row | None:
    """The daemon's status; None where none answers."""
    connection = client.connect(paths.socket_path())
    if connection is None:
        return None
    with connection:
        (status,) = rows_of(client.call(connection, "status", {}))
    return status


def start_service() -> Row:
    """Start the systemd service; returns its status."""
    systemd.start()
    status = running()
    if status is None:
        raise ImgscoreError(
            f"the service runs, but does not answer on {paths.socket_path()}",
            "let it use the same folders: imgscore service install",
        )
    return status


def start_process() -> Row:
    """Start a process that logs to a file; returns its status."""
    log = paths.cache_folder() / "imgscored.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stderr:
        begun = stderr.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "imgscored.main"],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        status = running()
        if status is not None:
            return status
        if process.poll() is not None:
            break
        time.sleep(0.05)
    said = log.read_bytes()[begun:].decode(errors="replace").strip()
    why, _, remedy = _STAMP.sub("", said).partition("\nwhat to do: ")
    lines = "; ".join(why.splitlines())
    error = ImgscoreError(f"the daemon did not start: {lines}", remedy or f"see {log}")
    error.exit_code = max(process.returncode or 0, error.exit_code)
    raise error


def end(pid: int) -> None:
    """End the daemon; returns when it has ended."""
    if systemd.is_usable() and systemd.state().pid == pid:
        systemd.stop()
        return
    list(dispatch.call("stop", {}, daemon_only=True))
    deadline = time.monotonic() + STOP_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if _is_zombie(pid):
            break
        time.sleep(0.02)


def print_state(state: str, pid: int | None, *, as_json: bool) -> None:
    """Print what `start` and `stop` have done."""
    process = f" (process {pid})" if pid else ""
    row = {"state": state, "pid": pid, "error": None}
    typer.echo(to_json(row) if as_json else f"{state}{process}")


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent has not yet collected its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
