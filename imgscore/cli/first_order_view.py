"""The view of `start` on a terminal: what imgscore does, and what to do next."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from imgscore.cli import lifecycle
from imgscore.cli.formatting import remarks
from imgscore.cli.output import duration, print_note, wrapped
from imgscore.cli.path_text import short, shortened
from imgscore.engine.log_text import counted
from imgscore.errors import ImgscoreError
from imgscore.reconcile.walk import ImageFile, walk
from imgscore.verbs.first_order import next_steps, ordered_inbox
from imgscore.verbs.status import Response

if TYPE_CHECKING:
    from imgscore.cli.live_status import Pace

SECONDS = 0.5
"""Seconds between two statuses of the view. The daemon sends its last status, which takes it no
work."""
SCAN_SECONDS = 5.0
"""The longest time to wait, in seconds, until the daemon has read the first image. Before that,
an inbox with images seems to be empty."""
PLAIN_SECONDS = 10.0
"""Seconds between two lines about the same work on a terminal that cannot show a block in place."""
QUIET_SECONDS = 5.0
"""Seconds without a newly read image after which the view of an inbox in order ends. The pending
items are then measurements for groups, which may take minutes."""
USEFUL_LABELS = 30
"""The smallest number of labels with which the order is useful: see docs/figures.md."""


def command() -> str:
    """Return the name with which the user can run imgscore: its path, if no folder of PATH has it.

    After `make run`, it is .venv/bin/imgscore.
    """
    return "imgscore" if shutil.which("imgscore") else short(os.path.abspath(sys.argv[0]))


def show_start(status: Response) -> None:
    """Show the next steps after a start: in place on a terminal, otherwise once as lines."""
    if sys.stdout.isatty():
        follow_first_order(status)
    else:
        print_next_steps(status)


def follow_first_order(status: Response) -> None:
    """Show the next steps in place until an inbox is in order, or until the user presses Ctrl-C.

    Print nothing if an inbox is in order already.
    """
    if not next_steps(status):
        return
    from rich.console import Console

    console = Console(highlight=False)
    row: Response | None = status
    try:
        if console.is_dumb_terminal:
            row = _follow_with_lines(status)
        else:
            with console.status("", refresh_per_second=4) as view:
                for row, pace in _statuses(status):
                    if row is not None:
                        view.update("\n".join(_block(row, pace)))
    except KeyboardInterrupt:
        name = command()
        typer.echo("the daemon continues to run in the background")
        typer.echo(f"  to see what it does: {name} status --watch")
        typer.echo(f"  to stop it: {name} stop")
        return
    if row is None:
        typer.echo(f"the daemon does not answer any more; see: {command()} status")
    elif inbox := ordered_inbox(row):
        typer.echo(f"in order now; sort by date, newest first: {short(inbox)}")
        if row.pending:
            typer.echo(f"  in the background: {counted(row.pending, 'item')} left")
        _print_labels(row)


def print_next_steps(status: Response) -> None:
    """Print the next steps to stderr as lines, without waiting for the first order."""
    deadline = time.monotonic() + SCAN_SECONDS
    row: Response | None = status
    while row is not None and _is_unlisted(row) and time.monotonic() < deadline:
        time.sleep(SECONDS)
        row = _status()
    for line in next_steps(row) if row is not None else ():
        print_note(wrapped(line, sys.stderr))


def _is_unlisted(status: Response) -> bool:
    """Return whether there are images in an inbox, but the daemon has not read one yet."""
    if any(row.files + row.keep + row.trash for row in status.watches):
        return False
    inboxes = [os.fsencode(row.inbox) for row in status.watches]
    return any(isinstance(found, ImageFile) for inbox in inboxes for found in walk(inbox))


def _statuses(first: Response) -> Iterator[tuple[Response | None, Pace]]:
    """Yield the status and its Pace until no step is left, or until an inbox is in order and no
    more images are read. Then yield the last status.

    It is None if no daemon answers any more.
    """
    from imgscore.cli.live_status import Pace

    pace = Pace()
    row: Response | None = first
    read, read_at = first.looked, time.monotonic()
    while row is not None and next_steps(row):
        now = time.monotonic()
        pace.add(row, now)
        if row.looked != read or ordered_inbox(row) is None:
            read, read_at = row.looked, now
        if now - read_at >= QUIET_SECONDS:
            break
        yield row, pace
        time.sleep(SECONDS)
        row = _status()
    yield row, pace


def _follow_with_lines(first: Response) -> Response | None:
    """Print the steps as lines when the next step changes, or after PLAIN_SECONDS."""
    row: Response | None = None
    printed, last = 0.0, ""
    for row, pace in _statuses(first):
        steps = [] if row is None else view_steps(row)
        late = time.monotonic() - printed >= PLAIN_SECONDS
        if row is not None and steps and (steps[-1] != last and (late or not row.pending)):
            typer.echo("; ".join(_with_time_left(steps, pace)))
            printed, last = time.monotonic(), steps[-1]
    return row


def _block(row: Response, pace: Pace) -> list[str]:
    """Return the lines of the view."""
    steps = view_steps(row)
    if not steps:
        return []
    problems = [f"attention: {shortened(problem)}" for problem in row.troubles]
    first, *others = [
        *_with_time_left(steps, pace),
        *(remark for remark in remarks(row) if remark not in steps),
        *problems,
        "Ctrl-C ends this view; the daemon continues to run",
    ]
    return [first, *(f"  {line}" for line in others)]


def view_steps(row: Response) -> list[str]:
    """Return the next steps. An inbox that is not listed yet is not called empty."""
    if not row.pending and _is_unlisted(row):
        return ["reading the folder"]
    return next_steps(row)


def _with_time_left(steps: list[str], pace: Pace) -> list[str]:
    """Return the steps, with the estimated time until all images are read."""
    first, *others = steps
    seconds = pace.seconds_left
    if first.startswith(("reading", "in order")) and seconds and round(seconds):
        first = f"{first}, about {duration(seconds)}"
    return [first, *others]


def _print_labels(row: Response) -> None:
    """Say how many labels there are, and how many make the order useful."""
    labels = max(watch.labels.keep + watch.labels.trash for watch in row.watches)
    if labels < USEFUL_LABELS:
        typer.echo(f"  it comes from {labels} labels; from about {USEFUL_LABELS} on it is useful")
        typer.echo(f"  to label in the browser: {command()} review")


def _status() -> Response | None:
    """Return the status of the daemon, or None if no daemon answers."""
    try:
        return lifecycle.running()
    except ImgscoreError:
        return None
