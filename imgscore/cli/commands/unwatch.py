"""The command `unwatch`: stop watching a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from imgscore import config, config_edit, dispatch, paths
from imgscore.cli import completions, lifecycle, output
from imgscore.cli.app import DryRun, Json, Section, app, prints
from imgscore.cli.formatting import touched
from imgscore.cli.output import print_note
from imgscore.cli.path_text import short, shortened
from imgscore.config import Config
from imgscore.errors import ConfigError, UsageError
from imgscore.messages import Message, Result
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.unwatch import Request, Response, Unwatched


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response)
def unwatch(
    inbox: Annotated[
        Path,
        typer.Argument(help="The watched folder.", autocompletion=completions.inboxes),
    ],
    keep_dates: Annotated[
        bool,
        typer.Option("--keep-dates", help="Keep the present dates of the files, and their order."),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stop watching a folder, and restore the original dates of its files.

    The files stay where they are, and the labels stay stored. To watch the folder again, run
    `imgscore init`.
    """
    path = paths.config_file()
    text = config.read(path) or ""
    settings = config.parse(text, str(path))
    number = _number(settings, config.expand(str(inbox), os.getcwd()))
    if settings.dry_run and not (dry_run or keep_dates):
        raise ConfigError(
            f"{path}: dry_run = true, so no date can be restored",
            "set dry_run = false, or keep the present dates: --keep-dates",
        )
    rows = _unwatch(text, number, settings, keep_dates=keep_dates, dry_run=dry_run)
    raise typer.Exit(output.print_messages(rows, _describe, as_json=as_json))


def _number(settings: Config, folder: bytes) -> int:
    """Return the index of the watch with the inbox `folder`. Raises UsageError if there is none."""
    inboxes = [config.expand(watch.inbox) for watch in settings.watch]
    if folder in inboxes:
        return inboxes.index(folder)
    names = ", ".join(map(os.fsdecode, inboxes))
    raise UsageError(
        f"{os.fsdecode(folder)} is not a watched inbox",
        f"watched: {names}" if names else "no folder is watched",
    )


def _unwatch(
    text: str, number: int, settings: Config, *, keep_dates: bool, dry_run: bool
) -> Iterator[Message[Response]]:
    """Restore the dates, take the watch out of the config, and yield the rows of both steps."""
    inbox = os.fsdecode(config.expand(settings.watch[number].inbox))
    changed = config_edit.without_watch(text, number)
    last = Unwatched(inbox, 0, 0, dry_run)
    for message in dispatch.call(Request(inbox, dry_run)) if not keep_dates else ():
        if isinstance(message, Result) and isinstance(message.row, Unwatched):
            last = message.row
        else:
            yield message
    if not dry_run:
        config_edit.write(paths.config_file(), changed)
        _apply(watched=len(settings.watch) > 1)
    yield Result(last)


def _apply(*, watched: bool) -> None:
    """Make a running daemon use the new config. `watched`: whether a folder is still watched."""
    if watched:
        dispatch.reload_daemon()
    elif (pid := lifecycle.daemon_pid()) is not None:
        lifecycle.end(pid)
        print_note("no folder is watched any more, so the daemon was stopped")


def _describe(row: Response) -> str | None:
    if isinstance(row, TouchedFile):
        return touched(row) if row.dry_run or row.error else None
    watched = "would no longer be watched" if row.dry_run else "is no longer watched"
    restored = "would be restored" if row.dry_run else "were restored"
    text = f"{short(row.inbox)} {watched}; {row.restored} original dates {restored}"
    return f"{text}\n{shortened(row.error)}" if row.error else text
