"""The command `tray`: show the icon in the desktop's tray, now or at every login.

Another process, which runs the module `imgscored.tray`, shows the icon.
"""

import os
import sys
from typing import Annotated

import msgspec
import typer

from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.output import to_json
from imgscore.cli.path_text import short
from imgscore.errors import UsageError
from imgscore.system import tray_autostart


class Response(msgspec.Struct):
    """The result of --install or --uninstall."""

    installed: bool
    """true if the icon is shown at login"""
    files: list[str]
    """the files that start the icon"""
    error: str | None = None
    """always null"""


@app.command(rich_help_panel=Section.DAEMON)
@prints(Response)
def tray(
    install: Annotated[
        bool, typer.Option("--install", help="Show the icon at every login.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Do not show the icon at login any more.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="S", help="Wait up to S seconds until the desktop has a tray."),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Show an icon in the desktop's tray.

    The menu of the icon shows the state and the last failures. In the menu you can pause and resume
    the daemon, train a head, and open the inbox and the report.
    """
    if install and uninstall:
        raise UsageError(
            "--install and --uninstall exclude each other", "give only one of these options"
        )
    if install:
        tray_autostart.install()
    elif uninstall:
        tray_autostart.uninstall()
    else:
        arguments = ["--wait", str(wait), *(["--json"] if as_json else [])]
        os.execv(sys.executable, [sys.executable, "-P", "-m", "imgscored.tray", *arguments])
    _print_files(as_json)


def _print_files(as_json: bool) -> None:
    files = tray_autostart.files()
    installed = files.entry.exists()
    row = Response(installed, [str(file) for file in files])
    if as_json:
        typer.echo(to_json(row))
    elif installed:
        typer.echo(
            "the tray icon will be shown at the next login; to show the icon now: imgscore tray &"
        )
        for file in files:
            typer.echo(f"  {short(str(file))}")
    else:
        typer.echo("the icon is not shown at login")
