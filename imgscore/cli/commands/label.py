"""label: teach without moving files."""

from enum import StrEnum
from typing import Annotated

import typer

from imgscore.cli.app import Files, FileTaste, Json, Section, app, run, texts_of
from imgscore.cli.formatting import named


class LabelValue(StrEnum):
    """The values of a label."""

    keep = "keep"
    trash = "trash"
    clear = "clear"


@app.command(rich_help_panel=Section.TEACH)
def label(
    label: Annotated[LabelValue, typer.Argument(help="keep, trash, or clear to remove the label.")],
    files: Files,
    taste: FileTaste = None,
    as_json: Json = False,
) -> None:
    """Label files without moving them."""
    arguments = {"label": label.value, "files": texts_of(files), "taste": taste}
    run("label", arguments, lambda row: named(row, row["label"] or "clear"), as_json=as_json)
