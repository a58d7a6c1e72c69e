"""The command `import-labels`: learn from folders that are already sorted."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli.app import Json, Section, Taste, app, prints, run, texts_of
from imgscore.cli.formatting import named
from imgscore.verbs.import_labels import FailedFile, Request, Response


@app.command("import-labels", rich_help_panel=Section.TEACH)
@prints(Response)
def import_labels(
    keep: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Give all images in this folder the label keep."),
    ] = None,
    trash: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Give all images in this folder the label trash."),
    ] = None,
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Learn from folders that are already sorted.

    The files in these folders are not changed.
    """
    request = Request(tuple(texts_of(keep)), tuple(texts_of(trash)), taste)
    run(request, _describe, as_json=as_json)


def _describe(row: Response) -> str:
    if isinstance(row, FailedFile):
        return named(row, "")
    return f"{row.keep} keep, {row.trash} trash, {row.failed} failed"
