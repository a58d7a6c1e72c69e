"""tray: the icon (a process of the daemon's house), and whether it is shown at login."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from imgscore.cli.app import Json, Section, app
from imgscore.cli.output import printable, to_json
from imgscore.errors import ImgscoreError, UsageError
from imgscore.system import installation

UNIT = "imgscore-tray.service"
ENTRY = "imgscore-tray.desktop"


@app.command(rich_help_panel=Section.DAEMON)
def tray(
    install: Annotated[
        bool, typer.Option("--install", help="Show the icon at every login from now on.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Show it at login no more.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="S", help="Wait so many seconds for a tray to come up.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """An icon in the desktop's tray: what is going on, pause, resume, train, open."""
    if install and uninstall:
        raise UsageError("--install and --uninstall are opposites", "give one of them")
    if install or uninstall:
        files = _Files.here()
        (_install if install else _uninstall)(files)
        _say(files, as_json)
        return
    arguments = ["--wait", str(wait), *(["--json"] if as_json else [])]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "imgscored.tray", *arguments])


class _Files(NamedTuple):
    """What makes a desktop show the icon: an autostart entry, or a unit and its link."""

    entry: Path
    unit: Path
    link: Path

    @classmethod
    def here(cls) -> "_Files":
        folder = installation.user_config_folder()
        units = folder / "systemd" / "user"
        return cls(
            folder / "autostart" / ENTRY,
            units / UNIT,
            units / "graphical-session.target.wants" / UNIT,
        )


def _install(files: _Files) -> None:
    program = installation.program("imgscore")
    try:
        _write(files.entry, ENTRY, "Exec=imgscore ", f"Exec={_desktop_quoted(program)} ")
        unit_start = f"ExecStart={installation.exec_quoted(program)} "
        _write(files.unit, UNIT, "ExecStart=/usr/bin/env imgscore ", unit_start)
        files.link.parent.mkdir(parents=True, exist_ok=True)
        files.link.unlink(missing_ok=True)
        files.link.symlink_to(Path("..") / UNIT)
    except OSError as error:
        raise ImgscoreError(
            f"{error.filename}: cannot be written: {error.strerror}", "check its permissions"
        ) from None
    _tell_systemd()


def _uninstall(files: _Files) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    _tell_systemd()


def _write(path: Path, template: str, start: str, own_start: str) -> None:
    """A file as it is shipped, but for the program that it starts."""
    text = installation.template(template).read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(start, own_start), encoding="utf-8")


def _desktop_quoted(path: Path) -> str:
    """A path as Exec of a desktop entry takes it: quoted, then escaped as every value is."""
    text = re.sub(r'(["`$\\])', r"\\\1", os.fspath(path))
    return '"' + text.replace("\\", "\\\\").replace("%", "%%") + '"'


def _tell_systemd() -> None:
    """Let a user manager see the change now; without one, the next login does."""
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "--user", "daemon-reload"], capture_output=True, check=False)


def _say(files: _Files, as_json: bool) -> None:
    installed = files.entry.exists()
    row = {"installed": installed, "files": [str(file) for file in files], "error": None}
    if as_json:
        typer.echo(to_json(row))
    elif installed:
        typer.echo("the icon is shown from the next login on; now: imgscore tray &")
        for file in files:
            typer.echo(f"  {printable(str(file))}")
    else:
        typer.echo("the icon is not shown at login")
