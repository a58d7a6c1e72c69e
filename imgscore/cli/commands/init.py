"""The command `init`: watch a folder."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import config, config_edit, paths
from imgscore.cli import completions, dispatch
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.output import print_note, printable, to_json
from imgscore.errors import UsageError
from imgscore.system.sync_markers import find_markers
from imgscore.watches import Watches

QUESTION = (
    "If you move an image from this folder to the desktop's trash, imgscore can give it the label\n"
    "trash. imgscore only reads the desktop's trash. Give these images the label trash"
)


class Response(msgspec.Struct):
    """A watch that the config contains now."""

    inbox: str
    """the path of the inbox"""
    keep: list[str]
    """the keep folders"""
    trash: list[str]
    """the trash folders"""
    xdg_trash: bool
    """true if an image that you move to the desktop's trash gets the label trash"""
    config: str
    """the config file"""
    warnings: list[str]
    """warnings, for example that a program synchronizes the folder"""
    error: str | None = None
    """always null"""


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response)
def init(
    inbox: Annotated[
        Path,
        typer.Argument(
            help="The folder to put in order. If it does not exist, the command creates it."
        ),
    ],
    taste: Annotated[
        str,
        typer.Option(
            help="The folder's taste. Folders with the same taste share their labels.",
            autocompletion=completions.tastes,
        ),
    ] = "default",
    xdg_trash: Annotated[
        bool | None,
        typer.Option(
            "--xdg-trash/--no-xdg-trash",
            help="Give an image the label trash if you move it to the desktop's trash.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch a folder.

    The command creates the folder, with the folders keep/ and trash/ in it, and adds the folder to
    the config.
    """
    path = paths.config_file()
    before = config.read(path) or ""
    settings = config.parse(before, str(path))
    folder = config.expand(str(inbox), os.getcwd())
    existing = [watch for watch in Watches.of(settings).all if watch.inbox == folder]
    if existing:
        text = before
        if xdg_trash not in (None, existing[0].xdg_trash):
            number = Watches.of(settings).all.index(existing[0])
            text = config_edit.with_watch_setting(text, number, "xdg_trash", bool(xdg_trash))
    else:
        if xdg_trash is None and not as_json and sys.stdin.isatty() and sys.stderr.isatty():
            xdg_trash = typer.confirm(QUESTION, err=True)
        text = config_edit.with_watch(before, _entry(folder, taste, xdg_trash=bool(xdg_trash)))
    watches = Watches.of(config.parse(text, str(path))).all
    (watch,) = (watch for watch in watches if watch.inbox == folder)
    _make(watch.inbox, *watch.keep, *watch.trash)
    if text != before:
        config_edit.write(path, text)
    # Reload even if this command has not changed the config: the user may have edited it.
    dispatch.reload_daemon()
    warnings = [marker.sentence for marker in find_markers(Path(os.fsdecode(watch.inbox)))]
    row = Response(
        inbox=os.fsdecode(watch.inbox),
        keep=[os.fsdecode(path) for path in watch.keep],
        trash=[os.fsdecode(path) for path in watch.trash],
        xdg_trash=watch.xdg_trash,
        config=str(path),
        warnings=warnings,
    )
    for warning in warnings:
        print_note(f"note: {printable(warning)}")
    if as_json:
        typer.echo(to_json(row))
        return
    typer.echo(f"watching {printable(os.fsdecode(watch.inbox))} (config: {printable(str(path))})")
    for name, folders in (("keep", watch.keep), ("trash", watch.trash)):
        for labelling in folders:
            typer.echo(
                f"  files that you move to {printable(os.fsdecode(labelling))} get the label {name}"
            )
    if watch.xdg_trash:
        typer.echo("  files that you move to the desktop's trash get the label trash")


def _entry(folder: bytes, taste: str, *, xdg_trash: bool) -> dict[str, str | bool]:
    try:
        text = folder.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"{printable(os.fsdecode(folder))}: the name is not valid UTF-8, "
            "so it cannot be written into the config",
            "rename the folder, or watch the folder above it",
        ) from None
    entry: dict[str, str | bool] = {"inbox": text}
    if taste != "default":
        entry["taste"] = taste
    if xdg_trash:
        entry["xdg_trash"] = True
    return entry


def _make(*folders: bytes) -> None:
    for folder in folders:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{os.fsdecode(folder)} cannot be created: {error.strerror}",
                "give a folder in which you have write permission",
            ) from None
