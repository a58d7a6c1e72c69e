"""The command `label`: teach without moving files."""

from typing import Annotated, Literal

import typer

from imgscore.cli.app import Files, FileTaste, Json, Recursive, Section, app, prints, run, texts_of
from imgscore.cli.formatting import named
from imgscore.verbs.label import Request, Response


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def label(
    label: Annotated[
        Literal["keep", "trash", "clear"],
        typer.Argument(help="The label: keep or trash. To remove the label: clear."),
    ],
    files: Files,
    recursive: Recursive = False,
    taste: FileTaste = None,
    as_json: Json = False,
) -> None:
    """Label files without moving them.

    If you give a folder, its images get the label.
    """
    request = Request(label, texts_of(files), taste, recursive)
    run(request, lambda row: named(row, row.label or "clear"), as_json=as_json)
