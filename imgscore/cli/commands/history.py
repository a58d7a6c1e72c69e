"""history: list what was ordered, restored and labelled."""

from typing import Annotated

import typer

from imgscore.cli.app import Folder, Json, Section, app, run, text_of
from imgscore.cli.formatting import time_text
from imgscore.cli.output import printable
from imgscore.verbs.base import Row


@app.command(rich_help_panel=Section.ORDER)
def history(
    folder: Folder = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Print at most N lines.")] = 50,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Print one line per file, also if many dates were set at once."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List what was ordered, restored and labelled, newest first."""
    together = not (files or as_json)
    arguments = {"folder": text_of(folder), "limit": limit, "together": together}
    run("history", arguments, _describe, as_json=as_json, nothing="there is no history yet")


def _describe(row: Row) -> str:
    when = time_text(row["time_ns"])
    if row["what"] == "label":
        what = f"label {row['label']} ({row['source']})"
    elif row.get("dates", 1) > 1:
        return f"{when}  {row['what']}: {row['dates']} dates  {printable(row['inbox'])}"
    else:
        before, after = time_text(row["before_ns"]), time_text(row["after_ns"])
        what = f"{row['what']} {before} → {after}"
    return f"{when}  {what}  {printable(row['path'])}"
