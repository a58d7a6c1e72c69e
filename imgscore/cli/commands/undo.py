"""undo: undo the last ordering or label."""

from enum import StrEnum
from typing import Annotated

import typer

from imgscore.cli.app import DryRun, Folder, Json, Section, app, run, text_of
from imgscore.cli.formatting import touched
from imgscore.cli.output import printable
from imgscore.verbs.base import Row


class Undoable(StrEnum):
    """What can be undone."""

    order = "order"
    label = "label"


@app.command(rich_help_panel=Section.ORDER)
def undo(
    what: Annotated[Undoable, typer.Argument(help="Undo the last ordering or the last label.")],
    folder: Folder = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Undo the last ordering of an inbox, or the last label.

    Repeat the command to undo the one before it.
    """
    arguments = {"what": what.value, "folder": text_of(folder), "dry_run": dry_run}
    run("undo", arguments, _describe, as_json=as_json)


def _describe(row: Row) -> str:
    if "after_ns" in row:
        return touched(row)
    text = f"{row['was']} → {row['label'] or 'no label'}  {printable(row['path'] or row['sha256'])}"
    return f"{text}, and {row['others']} more" if row["others"] else text
