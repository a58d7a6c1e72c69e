"""start, stop, pause, resume: the daemon's life."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from imgscore import client, config, paths
from imgscore.cli import dispatch
from imgscore.cli.app import Json, app, run
from imgscore.cli.output import to_json
from imgscore.errors import ConfigError, ImgscoreError, NoDaemonError, UsageError
from imgscore.messages import Result
from imgscore.system import systemd
from imgscore.verbs.base import Row

START_SECONDS = 20.0
STOP_SECONDS = 30.0
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ ", re.MULTILINE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def running() -> Row | None:
    """The daemon's status; None where none answers."""
    connection = client.connect(paths.socket_path())
    if connection is None:
        return None
    with connection:
        rows: list[Row] = [
            one.row for one in client.call(connection, "status", {}) if isinstance(one, Result)
        ]
    return rows[0]


@app.command()
def start(as_json: Json = False) -> None:
    """Start the daemon in the background: the service where it is installed, else a process."""
    status = running()
    if status is None:
        if not config.load().watch:
            raise ConfigError("nothing is watched yet", "begin with: imgscore init INBOX")
        status = _start_service() if systemd.is_usable() else _start()
    _say_state({"state": status["state"], "pid": status["pid"], "error": None}, as_json)


def _start_service() -> Row:
    systemd.start()
    status = running()
    if status is None:
        raise ImgscoreError(
            f"the service runs, but does not answer on {paths.socket_path()}",
            "let it use the same folders: imgscore service install",
        )
    return status


def _start() -> Row:
    """A process that logs to a file."""
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


@app.command()
def stop(as_json: Json = False) -> None:
    """End the daemon; it finishes what it is writing."""
    status = running()
    pid = None if status is None else status["pid"]
    if pid is not None:
        end(pid)
    elif (
        systemd.is_usable() and systemd.state().active == "activating"
    ):  # it starts again and again
        systemd.stop()
    else:
        raise NoDaemonError("no daemon is running", "nothing to do")
    _say_state({"state": "stopped", "pid": pid, "error": None}, as_json)


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


def _is_zombie(pid: int) -> bool:
    """Ended, but its parent has not noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


@app.command()
def pause(
    for_: Annotated[
        str | None, typer.Option("--for", help="A while, such as 30m or 2h; else until resume.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let the daemon do nothing; kept over restarts."""
    seconds = None if for_ is None else _seconds(for_)
    run("pause", {"seconds": seconds}, _state, as_json=as_json)


@app.command()
def resume(as_json: Json = False) -> None:
    """End a pause."""
    run("resume", {}, _state, as_json=as_json)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise UsageError(f"--for {text!r} is not a length of time", "use for example 30m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2] or "s"]


def _state(row: Row) -> str:
    return str(row["state"])


def _say_state(row: dict[str, Any], as_json: bool) -> None:
    process = f" (process {row['pid']})" if row["pid"] else ""
    typer.echo(to_json(row) if as_json else f"{row['state']}{process}")
