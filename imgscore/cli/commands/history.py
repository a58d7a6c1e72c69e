"""The command `history`: list what was ordered, restored, labelled and compared."""

from typing import Annotated

import typer

from imgscore.cli.app import Folder, Json, Section, app, optional_text_of, prints, run
from imgscore.cli.formatting import label_text, time_text
from imgscore.cli.path_text import short
from imgscore.messages import MAX_ROWS
from imgscore.verbs.history import ComparisonEntry, LabelEntry, Request, Response


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def history(
    folder: Folder = None,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=MAX_ROWS, help="Print at most N lines.")
    ] = 50,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Print one line for each file. Without it: one line for each ordering."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List past orderings, restored dates, new labels and comparisons."""
    together = not (files or as_json)
    request = Request(optional_text_of(folder), limit, together)
    run(request, _describe, as_json=as_json, nothing="there is no history yet")


def _describe(row: Response) -> str:
    when = time_text(row.time_ns)
    if isinstance(row, ComparisonEntry):
        first, second = short(row.path or row.sha256), short(row.second_path or row.second_sha256)
        return f"{when}  compare {row.answer} ({row.source})  {first}  |  {second}"
    if isinstance(row, LabelEntry):
        what = f"label {label_text(row.label, row.grade)} ({row.source})"
    elif row.dates and row.dates > 1:
        return f"{when}  {row.what}: {row.dates} dates  {short(row.inbox)}"
    else:
        before, after = time_text(row.before_ns), time_text(row.after_ns)
        what = f"{row.what} {before} → {after}"
    return f"{when}  {what}  {short(row.path)}"
