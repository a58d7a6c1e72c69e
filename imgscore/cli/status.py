"""status and wait."""

import time
from typing import Annotated

import typer

from imgscore.cli import session
from imgscore.cli.app import Json, app, run
from imgscore.cli.order import touched
from imgscore.cli.output import printable, show
from imgscore.verbs.base import Row

WATCH_SECONDS = 1.0
MOST_FAILED = 10


@app.command()
def status(
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
) -> None:
    """What is going on, and what needs your attention."""
    if not watch:
        run("status", {}, describe, as_json=as_json)
    while True:
        if not as_json:
            typer.echo("\x1b[2J\x1b[H", nl=False)
        show(session.call("status", {}), describe, as_json=as_json)
        time.sleep(WATCH_SECONDS)


@app.command()
def wait(
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Give up after so many seconds; exit code 1.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Wait until nothing is pending. Needs a running daemon."""
    run("wait", {"timeout": timeout}, lambda row: None, as_json=as_json, daemon_only=True)


def describe(row: Row) -> str:
    """A status as text."""
    lines = [f"{row['state']}, {row['pending']} pending, head {row['head'] or 'none yet'}"]
    if row["state"] == "offline":
        lines[0] = f"no daemon is running (imgscore start); head {row['head'] or 'none yet'}"
    if row["dry_run"]:
        lines.append("dry run: dates are planned, not set")
    for watch in row["watches"]:
        lines.append(
            f"{printable(watch['inbox'])}: {watch['files']} images, {watch['scored']} scored; "
            f"{watch['keep']} in keep, {watch['trash']} in trash; {watch['state']}"
        )
        if watch["planned"]:
            lines.append(f"  would change {watch['planned']['touches']} dates, newest first:")
            lines += [f"    {touched(one)}" for one in watch["planned"]["examples"]]
    if not row["watches"]:
        lines.append("nothing is watched yet; begin with: imgscore init INBOX")
    anew = row["embedding_anew"]
    if anew is not None:
        left = anew["seconds_left"]
        after = "" if left is None else f", about {left:.0f} s left"
        lines.append(
            f"embedding anew with {row['embedder']}: {anew['done']} of {anew['total']}{after}; "
            "until then the order is the head's before"
        )
    if row["hint"]:
        lines.append(row["hint"])
    lines += [f"attention: {printable(trouble)}" for trouble in row["troubles"]]
    failed = row["failed"]
    for one in failed[:MOST_FAILED]:
        remedy = f" ({printable(one['remedy'])})" if one["remedy"] else ""
        lines.append(f"failed: {printable(one['path'])}: {printable(one['reason'])}{remedy}")
    if len(failed) > MOST_FAILED:
        lines.append(f"… and {len(failed) - MOST_FAILED} more failed; all with --json")
    return "\n".join(lines)
