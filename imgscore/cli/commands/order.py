"""The command `order`: set the dates of files to put them into score order."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import DryRun, Json, Section, app, optional_text_of, prints, run
from imgscore.cli.formatting import touched
from imgscore.verbs.order import Request, Response


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def order(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help=(
                "Order only the inbox that contains this folder. All files of an inbox have one "
                "common order. Without it: all inboxes."
            ),
            autocompletion=completions.inboxes,
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put the watched folders into score order now.

    The command prints one line for each file whose date changes.
    """
    run(
        Request(optional_text_of(folder), dry_run),
        touched,
        as_json=as_json,
        nothing="all files are in order: no date has to change",
    )
