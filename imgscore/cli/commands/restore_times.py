"""The command `restore-times`: restore the original dates."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import DryRun, Json, Section, app, prints, run, texts_of
from imgscore.cli.formatting import touched
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.restore_times import Request, Response


@app.command("restore-times", rich_help_panel=Section.ORDER)
@prints(Response)
def restore_times(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files and folders, also outside the watched folders. Without them: all files.",
            autocompletion=completions.inboxes,
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Restore the original date of every file.

    The automatic ordering of these files stops. To start it again, run `imgscore order`.
    """
    request = Request(dry_run=dry_run, paths=texts_of(paths) or None)
    run(request, _line, as_json=as_json, nothing="every file has its original date")


def _line(row: Response) -> str:
    if isinstance(row, TouchedFile):
        return touched(row)
    files = "1 file" if row.elsewhere == 1 else f"{row.elsewhere:,} files"
    return (
        f"{files} with a date of imgscore left the watched folders; to restore the dates of files "
        "that you moved: imgscore restore-times FOLDER"
    )
