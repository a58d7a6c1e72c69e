"""The tray's calls to the daemon, to the `imgscore` command and to the file manager."""

import subprocess
import sys
from typing import Any

from imgscore import client, paths
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.messages import Result
from imgscore.verbs.base import Row


def status() -> Row | None:
    """The daemon's status; None if no daemon answers in time."""
    try:
        return ask("status", {}, seconds=client.STATUS_SECONDS)[0]
    except (ImgscoreError, IndexError):
        return None


def ask(verb: str, arguments: dict[str, Any], seconds: float | None = None) -> list[Row]:
    """The rows that the daemon answers. Raises ImgscoreError; `seconds`: how long it may think."""
    connection = client.connect(paths.socket_path())
    if connection is None:
        raise NoDaemonError("imgscore is not running", "start it with: imgscore start")
    with connection:
        connection.settimeout(seconds)
        messages = client.call(connection, verb, arguments)
        return [message.row for message in messages if isinstance(message, Result)]


def command(*arguments: str) -> None:
    """Run `imgscore` with these arguments. Raises ImgscoreError with its error message."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "imgscore.cli.main", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ImgscoreError(lines[0].removeprefix("imgscore: "))


def open_folder(folder: str) -> None:
    """Show a folder in the desktop's file manager. Raises ImgscoreError."""
    try:
        subprocess.run(
            ["xdg-open", folder], stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        raise ImgscoreError(f"{folder} could not be opened with xdg-open") from None
