"""This module makes the tray icon start at login.

It installs an autostart entry of the desktop and a systemd unit. If systemd manages the desktop
session, systemd starts the icon from the unit. The desktop then ignores the autostart entry. In
other sessions, the desktop starts the icon from the autostart entry.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from imgscore.errors import ImgscoreError
from imgscore.system import installation

UNIT = "imgscore-tray.service"
ENTRY = "imgscore-tray.desktop"


class Files(NamedTuple):
    """The files that make the tray icon start at login.

    `entry`: the autostart entry of the desktop. `unit`: the systemd unit. `link`: the symbolic link
    that enables the unit.
    """

    entry: Path
    unit: Path
    link: Path


def files() -> Files:
    """Return the paths of the autostart files for the present user."""
    folder = installation.user_config_folder()
    units = folder / "systemd" / "user"
    return Files(
        folder / "autostart" / ENTRY,
        units / UNIT,
        units / "graphical-session.target.wants" / UNIT,
    )


def install() -> None:
    """Write the autostart files for the installation of imgscore that is running now.

    Raises ImgscoreError if a file cannot be written.
    """
    program = installation.program("imgscore")
    entry, unit, link = files()
    try:
        _write(entry, ENTRY, "Exec=imgscore ", f"Exec={_desktop_quoted(program)} ")
        unit_start = f"ExecStart={installation.exec_quoted(program)} "
        _write(unit, UNIT, "ExecStart=/usr/bin/env imgscore ", unit_start)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / UNIT)
    except OSError as error:
        raise ImgscoreError(
            f"{error.filename}: cannot be written: {error.strerror}",
            "check the permissions of the folder",
        ) from None
    _reload_systemd()


def uninstall() -> None:
    """Delete the autostart files, if they exist."""
    for file in files():
        file.unlink(missing_ok=True)
    _reload_systemd()


def _write(path: Path, template: str, start: str, own_start: str) -> None:
    """Copy a file that imgscore ships, and replace a text in the copy.

    `path`: the path of the copy. `template`: the name of the shipped file. `start`: the text that
    is replaced. `own_start`: the text that replaces `start`.
    """
    text = installation.template(template).read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(start, own_start), encoding="utf-8")


def _desktop_quoted(path: Path) -> str:
    """Quote a path for the Exec line of a desktop entry.

    The quoted path is then escaped, because every value of a desktop entry must be escaped.
    """
    text = re.sub(r'(["`$\\])', r"\\\1", os.fspath(path))
    return '"' + text.replace("\\", "\\\\").replace("%", "%%") + '"'


def _reload_systemd() -> None:
    """Make the user manager reload its units.

    If no user manager is running, the units are loaded at the next login.
    """
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "--user", "daemon-reload"], capture_output=True, check=False)
