"""The checks of the control socket, the daemon, the clock, the display and the tray icon."""

import importlib.util
import os
import stat
import time
from collections.abc import Iterator
from datetime import datetime

from imgscore import client, paths
from imgscore.doctor import stored_facts
from imgscore.doctor.finding import Finding
from imgscore.errors import ImgscoreError, NoDesktopError
from imgscore.store.lock import published_socket
from imgscore.system import tray_backend
from imgscore.verbs.base import rows_of
from imgscore.verbs.status import Request

# This is the date 2026-01-01, in seconds since 1970. A correct clock shows a later time.
EARLIEST = 1_767_225_600
# This is the largest number of seconds by which the clock may be behind the time of the last touch.
# If the difference is larger, the check reports that the clock was set back.
SLACK = 120
STATUS_SECONDS = 5.0


def socket() -> Iterator[Finding]:
    """Check that only this user can use the control socket."""
    path = paths.socket_path()
    published = published_socket(paths.data_folder())
    if not path.exists() and published is not None and published.exists():
        path = published  # the daemon was started with another XDG_RUNTIME_DIR
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        remedy = "set XDG_RUNTIME_DIR to a folder of your own"
        yield Finding("socket", "problem", f"{folder} cannot be written", remedy)
        return
    if not path.exists():
        yield Finding("socket", "ok", f"{path} does not exist yet")
        return
    status = path.lstat()
    if status.st_uid != os.getuid():
        remedy = "set XDG_RUNTIME_DIR to a folder of your own"
        yield Finding("socket", "problem", f"{path} belongs to another user", remedy)
    elif not stat.S_ISSOCK(status.st_mode):
        remedy = "move it elsewhere, then start the daemon"
        yield Finding("socket", "problem", f"{path} is not a socket", remedy)
    elif status.st_mode & 0o077:
        detail = f"{path} is open to others (mode {status.st_mode & 0o777:o})"
        yield Finding("socket", "warning", detail, f"chmod 600 '{path}'")
    else:
        yield Finding("socket", "ok", f"only you can use {path}")


def daemon() -> Iterator[Finding]:
    """Check that a daemon answers, and report the state of this daemon."""
    connection = client.connect_to_daemon()
    if connection is None:
        yield Finding("daemon", "warning", "no daemon is running", "imgscore start")
        return
    with connection:
        connection.settimeout(STATUS_SECONDS)
        try:
            (status,) = rows_of(client.call(connection, Request()))
        except ImgscoreError as error:
            detail = f"the daemon does not answer: {error.message}"
            yield Finding("daemon", "problem", detail, "imgscore stop; imgscore start")
            return
    size = f"{status.rss_bytes / 1e6:.0f} MB"
    detail = f"{status.state}, process {status.pid}, {size}, {status.pending} pending"
    if status.troubles:
        yield Finding("daemon", "warning", status.troubles[0], "see: imgscore status")
    else:
        yield Finding("daemon", "ok", detail)


def clock() -> Iterator[Finding]:
    """Check that the clock was not set back.

    If the clock was set back, new files get older dates than the files whose dates imgscore has
    already set.
    """
    now = time.time()
    time_now = datetime.fromtimestamp(now).strftime("%Y-%m-%d %H:%M:%S")
    remedy = "set the clock; see: timedatectl"
    latest = stored_facts.read().latest_touch
    if now < EARLIEST:
        yield Finding("clock", "problem", f"the clock shows {time_now}", remedy)
    elif latest > now + SLACK:
        ahead = datetime.fromtimestamp(latest).strftime("%Y-%m-%d %H:%M:%S")
        detail = f"the clock was set back: it shows {time_now}, but imgscore set a date at {ahead}"
        yield Finding("clock", "warning", detail, remedy)
    else:
        yield Finding("clock", "ok", time_now)


def display() -> Iterator[Finding]:
    """Report the display. Only the tray icon and the option --open need a display."""
    try:
        yield Finding("display", "ok", tray_backend.find_display())
    except NoDesktopError:
        yield Finding(
            "display", "ok", "there is no display; only the tray icon and --open need a display"
        )


def tray() -> Iterator[Finding]:
    """If the extra `tray` is installed, check that `imgscore tray` works on this machine."""
    installed = importlib.util.find_spec("pystray") is not None
    try:
        tray_backend.find_display()
    except NoDesktopError:
        yield Finding("tray", "ok", "the tray icon is not possible, because there is no display")
        return
    if not installed:
        yield Finding(
            "tray", "ok", "pystray is not installed; for the icon: pip install 'imgscore[tray]'"
        )
        return
    try:
        backend = tray_backend.find_backend()
    except NoDesktopError as error:
        yield Finding("tray", "warning", error.message, error.remedy)
        return
    way = "AppIndicator" if backend == "appindicator" else "the tray of the X display"
    yield Finding("tray", "ok", f"icons are shown through {way}")
