"""The command `status`: print the status once, or as a live view."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from imgscore import dispatch
from imgscore.cli.app import Json, Section, app, prints, run
from imgscore.cli.formatting import left_alone_text, remarks, state_text, touched
from imgscore.cli.output import to_json, wrapped
from imgscore.cli.path_text import short, shortened
from imgscore.errors import NoDaemonError
from imgscore.messages import Result
from imgscore.store.lock import BusyError
from imgscore.verbs.first_order import what_to_do
from imgscore.verbs.status import LinksStatus, Request, Response, WatchStatus

if TYPE_CHECKING:
    from imgscore.cli.live_status import Pace

WATCH_SECONDS = 1.0
"""Seconds between two statuses of the live view."""
MAX_FAILED = 10
"""The largest number of failed files that are listed. Only the number of the others is printed."""


@app.command(rich_help_panel=Section.DAEMON)
@prints(Response)
def status(
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show a live view until you press Ctrl-C.")
    ] = False,
) -> None:
    """Show what imgscore is doing now, and what needs you."""
    if not watch:
        run(Request(), lambda row: wrapped(describe(row), sys.stdout), as_json=as_json)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Handle SIGTERM and SIGHUP like Ctrl-C, so that the terminal is restored.
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdout.isatty() and not as_json:
            _watch_on_terminal()
        else:
            _watch_on_pipe(as_json)


def _watch_on_terminal() -> None:
    """Show the live view until the user ends it."""
    from rich.console import Console

    from imgscore.cli.live_status import live, view

    with live(Console()) as screen:
        for row, pace in _statuses():
            screen.update(view(row, pace))


def _watch_on_pipe(as_json: bool) -> None:
    """Print one line for each status. This is used for JSON, and if stdout is not a terminal."""
    from imgscore.cli.live_status import line

    for row, pace in _statuses():
        sys.stdout.write((to_json(row) if as_json else line(row, pace)) + "\n")
        sys.stdout.flush()


def _statuses() -> "Iterator[tuple[Response, Pace]]":
    """Yield a pair every second: the status of the daemon, and the Pace that contains its speed.

    The generator never ends. It yields nothing while a daemon is starting or ending.
    """
    from imgscore.cli.live_status import Pace

    pace = Pace()
    while True:
        with contextlib.suppress(NoDaemonError, BusyError):
            for message in dispatch.call(Request()):
                if isinstance(message, Result):
                    pace.add(message.row, time.monotonic())
                    yield message.row, pace
        time.sleep(WATCH_SECONDS)


AWAY = "offline: the folder is not there; imgscore continues when it is back"


def _watch_lines(watch: WatchStatus) -> list[str]:
    """Return one line about a watch, and a second line if something is to do or to say."""
    todo = what_to_do(watch)
    has_order = bool(watch.head and watch.scored)
    scored = f", {watch.scored} scored" if has_order or not todo else ""
    folders = {"keep": watch.keep, "trash": watch.trash, **watch.graded}
    counts = ", ".join(f"{count} in {name}" for name, count in folders.items())
    line = f"{short(watch.inbox)}: {watch.files} images{scored}; {counts}{_labels_text(watch)}"
    if todo and has_order:
        return [f"{line}; ordered with few labels", f"  for a better order, {todo}"]
    if todo:
        return [line, f"  next: {todo}"]
    if watch.state == "offline":
        return [line, f"  {AWAY}"]
    return [f"{line}; {watch.state}"]


def _labels_text(watch: WatchStatus) -> str:
    """Return the labels as text, or "" if they are those of the files in the label folders.

    The review and `imgscore label` give labels to files that stay in the inbox.
    """
    labels = watch.labels
    counts = {"keep": labels.keep, "trash": labels.trash}
    if watch.undecided:
        counts["undecided"] = watch.undecided
    if watch.graded or counts == {"keep": watch.keep, "trash": watch.trash}:
        return ""
    return "; labels: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _links_line(links: LinksStatus) -> str:
    """Return a line about a folder of links. Its problem, if any, is among the problems."""
    name = short(links.folder)
    # The daemon does not watch the folder, so its status can be older than the loss of the folder.
    if links.state == "missing" or not os.path.isdir(links.folder):
        return f"links in {name}: the folder is missing; make it again: imgscore links '{name}'"
    images = "" if links.files is None else f"{links.files} images, "
    state = links.state if links.state in ("ok", "due") else "not up to date"
    return f"links in {name}: {images}{state}"


def describe(row: Response) -> str:
    """Return a status as text."""
    state = state_text(row)
    lines = [f"{state}, {row.pending} pending, head {row.head or 'none yet'}"]
    if row.state == "offline":
        lines[0] = f"no daemon is running (imgscore start); head {row.head or 'none yet'}"
        if row.paused_until_ns:
            lines.append(state)
    lines += remarks(row)
    for watch in row.watches:
        lines += _watch_lines(watch)
        if watch.left_alone:
            lines.append(f"  left alone: {left_alone_text(watch.left_alone)}")
        if watch.planned:
            lines.append(f"  would change {watch.planned.touches} dates, newest first:")
            lines += [f"    {touched(touch)}" for touch in watch.planned.examples]
    lines += map(_links_line, row.links)
    if not row.watches:
        lines.append("no folder is watched yet; add a folder: imgscore init INBOX")
    if row.hint:
        model, _, commands = row.hint.partition(": ")
        lines += [f"{model}:", f"  {commands}"]  # both fit into 80 columns
    lines += [f"attention: {shortened(problem)}" for problem in row.troubles]
    failed = row.failed
    for file in failed[:MAX_FAILED]:
        remedy = f" ({shortened(file.remedy)})" if file.remedy else ""
        lines.append(f"failed: {short(file.path)}: {shortened(file.reason)}{remedy}")
    if len(failed) > MAX_FAILED:
        lines.append(
            f"… and {len(failed) - MAX_FAILED} more files failed; see: imgscore status --json"
        )
    return "\n".join(lines)
