"""The view of `start` on a terminal: what imgscore does, and what to do next."""

import time

import typer

from imgscore.cli import lifecycle
from imgscore.cli.formatting import remarks
from imgscore.cli.path_text import short, shortened
from imgscore.errors import ImgscoreError
from imgscore.verbs.first_order import next_steps, ordered_inbox
from imgscore.verbs.status import Response

SECONDS = 0.5
"""Seconds between two statuses of the view. The daemon sends its last status, which takes it no
work."""


def follow_first_order(status: Response) -> None:
    """Show the next steps in place until an inbox is in order, or until the user presses Ctrl-C.

    Print nothing if an inbox is in order already.
    """
    if not next_steps(status):
        return
    from rich.console import Console

    row: Response | None = status
    console = Console(highlight=False)
    try:
        with console.status("", refresh_per_second=4) as view:
            while row is not None and (steps := next_steps(row)):
                view.update("\n".join(_lines(row, steps)))
                time.sleep(SECONDS)
                row = _status()
    except KeyboardInterrupt:
        typer.echo("the daemon runs on; see what it does: imgscore status --watch")
        return
    if row is None:
        typer.echo("the daemon does not answer any more; see: imgscore status")
    elif inbox := ordered_inbox(row):
        typer.echo(f"in order now; sort by date, newest first: {short(inbox)}")


def _lines(row: Response, steps: list[str]) -> list[str]:
    problems = [f"attention: {shortened(problem)}" for problem in row.troubles]
    first, *others = [*steps, *remarks(row), *problems, "Ctrl-C ends this view, not the daemon"]
    return [first, *(f"  {line}" for line in others)]


def _status() -> Response | None:
    """Return the status of the daemon, or None if no daemon answers."""
    try:
        return lifecycle.running()
    except ImgscoreError:
        return None
