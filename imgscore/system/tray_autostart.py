"""The tray icon at login: an autostart entry for the desktop, and a systemd unit.

A desktop whose session systemd runs starts the unit and skips the entry.
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
    """The files that make a desktop show the icon. `link` enables the unit."""

    entry: Path
    unit: Path
    link: Path


def files() -> Files:
    """Return the paths of these files for the present user."""
    folder = installation.user_config_folder()
    units = folder / "systemd" / "user"
    return Files(
        folder / "autostart" / ENTRY,
        units / UNIT,
        units / "graphical-session.target.wants" / UNIT,
    )


def install() -> None:
    """Write the files, for the program that runs now. Raises ImgscoreError."""
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
            f"{error.filename}: cannot be written: {error.strerror}", "check its permissions"
        ) from None
    _reload_systemd()


def uninstall() -> None:
    """Delete the files."""
    for file in files():
        file.unlink(missing_ok=True)
    _reload_systemd()


def _write(path: Path, template: str, start: str, own_start: str) -> None:
    """Write a shipped file, with `own_start` in place of its line's beginning `start`."""
    text = installation.template(template).read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(start, own_start), encoding="utf-8")


def _desktop_quoted(path: Path) -> str:
    """Quote a path for Exec of a desktop entry, then escape it like every value of an entry."""
    text = re.sub(r'(["`$\\])', r"\\\1", os.fspath(path))
    return '"' + text.replace("\\", "\\\\").replace("%", "%%") + '"'


def _reload_systemd() -> None:
    """Make the user manager reload its units. Without one, the next login loads them."""
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "--user", "daemon-reload"], capture_output=True, check=False)
