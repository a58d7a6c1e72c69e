"""The tray's calls to the daemon, to the `imgscore` command and to the file manager."""

import subprocess
import sys

from imgscore import client
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.messages import BaseRequest, R
from imgscore.verbs import status as status_verb
from imgscore.verbs.base import rows_of


def status() -> status_verb.Response | None:
    """Return the daemon's status, or None if no daemon answers in time."""
    try:
        return ask(status_verb.Request(), seconds=client.STATUS_SECONDS)
    except ImgscoreError:
        return None


def ask(request: BaseRequest[R], seconds: float | None = None) -> R:
    """Send a request to the daemon and return the answer, which has one row.

    `seconds`: the longest wait. Raises ImgscoreError if the daemon sends an error or does not
    answer.
    """
    connection = client.connect_to_daemon()
    if connection is None:
        raise NoDaemonError("imgscore is not running", "start the daemon: imgscore start")
    with connection:
        connection.settimeout(seconds)
        (row,) = rows_of(client.call(connection, request))
    return row


def command(*arguments: str) -> None:
    """Run `imgscore` with these arguments.

    If the command fails, raise ImgscoreError with the command's error message.
    """
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
    """Show a folder in the desktop's file manager. Raises ImgscoreError if this fails."""
    try:
        subprocess.run(
            ["xdg-open", folder], stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        raise ImgscoreError(f"{folder} could not be opened with xdg-open") from None
