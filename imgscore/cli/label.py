"""label and import-labels: teach without moving files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli.app import Files, Json, Taste, app, named, run, texts_of
from imgscore.verbs.base import Row


class Said(StrEnum):
    """What a label can be."""

    keep = "keep"
    trash = "trash"
    clear = "clear"


@app.command()
def label(
    label: Annotated[Said, typer.Argument(help="keep, trash, or clear to take a label back.")],
    files: Files,
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Label files where they are, instead of moving them into keep/ or trash/."""
    arguments = {"label": label.value, "files": texts_of(files), "taste": taste}
    run("label", arguments, lambda row: named(row, row["label"] or "clear"), as_json=as_json)


@app.command("import-labels")
def import_labels(
    keep: Annotated[list[Path] | None, typer.Option(help="A folder of images you like.")] = None,
    trash: Annotated[list[Path] | None, typer.Option(help="A folder of images you don't.")] = None,
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Learn from folders that are sorted already; their files stay as they are."""
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
