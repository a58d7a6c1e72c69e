"""history and undo: what was done, and how to take it back."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from imgscore.cli.app import DryRun, Folder, Json, app, run, text_of
from imgscore.cli.order import touched
from imgscore.cli.output import printable
from imgscore.verbs.base import Row


class Undone(StrEnum):
    """What can be undone."""

    order = "order"
    label = "label"


@app.command()
def history(
    folder: Folder = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many lines.")] = 50,
    files: Annotated[
        bool, typer.Option("--files", help="A line a file, also where many were set at once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What was ordered, given back and labelled, newest first."""
    together = not (files or as_json)
    arguments = {"folder": text_of(folder), "limit": limit, "together": together}
    run("history", arguments, _describe, as_json=as_json, nothing="nothing has been done yet")


@app.command()
def undo(
    what: Annotated[Undone, typer.Argument(help="The last ordering, or the last label.")],
    folder: Folder = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take back the last ordering of an inbox, or the last label; again: the one before it."""
    arguments = {"what": what.value, "folder": text_of(folder), "dry_run": dry_run}
    run("undo", arguments, _undone, as_json=as_json)


def _undone(row: Row) -> str:
    if "after_ns" in row:
        return touched(row)
    text = f"{row['was']} → {row['label'] or 'no label'}  {printable(row['path'] or row['sha256'])}"
    return f"{text}, and {row['others']} more" if row["others"] else text


def _describe(row: Row) -> str:
    when = datetime.fromtimestamp(row["time_ns"] / 1e9).strftime("%Y-%m-%d %H:%M:%S")
    if row["what"] == "label":
        what = f"label {row['label']} ({row['source']})"
    elif row.get("dates", 1) > 1:
        return f"{when}  {row['what']}: {row['dates']} dates  {printable(row['inbox'])}"
    else:
        before, after = (
            datetime.fromtimestamp(row[key] // 10**9).strftime("%Y-%m-%d %H:%M:%S")
            for key in ("before_ns", "after_ns")
        )
        what = f"{row['what']} {before} → {after}"
    return f"{when}  {what}  {printable(row['path'])}"
