"""import-labels: learn from folders that are sorted already."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli.app import Json, Section, Taste, app, run, texts_of
from imgscore.cli.formatting import named
from imgscore.verbs.base import Row


@app.command("import-labels", rich_help_panel=Section.TEACH)
def import_labels(
    keep: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder of images to label keep.")
    ] = None,
    trash: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder of images to label trash.")
    ] = None,
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Learn from folders that are already sorted.

    Their files are not changed.
    """
    arguments = {
        "keep": texts_of(keep),
        "trash": texts_of(trash),
        "taste": taste,
    }
    run("import-labels", arguments, _describe, as_json=as_json)


def _describe(row: Row) -> str:
    if "path" in row:
        return named(row, "")
    return f"{row['keep']} keep, {row['trash']} trash, {row['failed']} failed"
