"""The command `undo`: undo the last ordering, label or comparison."""

from typing import Annotated, Literal

import typer

from imgscore.cli.app import DryRun, Folder, Json, Section, app, optional_text_of, prints, run
from imgscore.cli.formatting import label_text, touched
from imgscore.cli.path_text import short
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.undo import Request, Response, RestoredAnswer


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def undo(
    what: Annotated[
        Literal["order", "label", "compare"],
        typer.Argument(help="Undo the last ordering, the last label or the last comparison."),
    ],
    folder: Folder = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Undo the last ordering of an inbox, the last label, or the last comparison.

    Repeat the command to undo the one before.

    With a folder, `undo order` restores only the dates of the files in this folder.
    """
    run(Request(what, optional_text_of(folder), dry_run), _describe, as_json=as_json)


def _describe(row: Response) -> str:
    if isinstance(row, TouchedFile):
        return touched(row)
    if isinstance(row, RestoredAnswer):
        images = "  |  ".join(
            short(path or digest)
            for path, digest in ((row.first, row.first_sha256), (row.second, row.second_sha256))
        )
        text = f"{row.was} → {row.answer or 'no answer'}  {images}"
        return f"{text}, and {row.others} more" if row.others else text
    was, label = label_text(row.was, row.was_grade), label_text(row.label or "no label", row.grade)
    text = f"{was} → {label}  {short(row.path or row.sha256)}"
    return f"{text}, and {row.others} more" if row.others else text
