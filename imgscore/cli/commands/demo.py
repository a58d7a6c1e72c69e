"""demo: show how imgscore works, on generated pictures."""

import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgscore.cli.app import Json, Section, app
from imgscore.cli.output import printable, say, show
from imgscore.messages import Message, Result

if TYPE_CHECKING:
    from imgscore.demo.folder import DemoFolder
    from imgscore.demo.scenario import Line, Outcome

LISTED_ROWS = 12
"""How many lines of an order are printed at the top and at the bottom."""


@app.command(rich_help_panel=Section.BEGIN)
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder, or the folder of an earlier demo.")
    ] = Path("imgscore-demo"),
    as_json: Json = False,
) -> None:
    """Show how imgscore works, on 120 generated pictures.

    Draws the pictures into a new folder, labels twelve of them by moving them, and prints the order
    of the folder before and after.
    """
    from imgscore.demo.folder import DemoFolder

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, signal.default_int_handler
        )  # as on Ctrl-C, so that the daemon is ended
    sandbox = DemoFolder(folder)
    sandbox.prepare()
    if not as_json:
        say(f"drawing pictures into {printable(str(sandbox.inbox))}, with a daemon watching …")
    # Closing the rows ends the daemon, also after Ctrl-C.
    with closing(_rows(sandbox, as_json)) as rows:
        code = show(rows, lambda row: row["text"], as_json=as_json)
    raise typer.Exit(code)


def _rows(sandbox: "DemoFolder", as_json: bool) -> Generator[Message[Any], None, None]:
    from imgscore.demo.scenario import run

    outcome = yield from run(sandbox)
    yield Result(_row(sandbox, outcome) if as_json else {"text": _text(sandbox, outcome)})


def _row(sandbox: "DemoFolder", outcome: "Outcome") -> dict[str, Any]:
    return {
        "folder": str(sandbox.folder),
        "inbox": str(sandbox.inbox),
        "sheet": str(sandbox.sheet),
        "before": [line.name for line in outcome.before],
        "after": [line.name for line in outcome.after],
        "kept": outcome.kept,
        "trashed": outcome.trashed,
        "auc": round(outcome.auc, 4),
        "learning_seconds": round(outcome.learning_seconds, 2),
        "seconds": round(outcome.seconds, 2),
        "error": None,
    }


def _text(sandbox: "DemoFolder", outcome: "Outcome") -> str:
    kept, trashed = len(outcome.kept), len(outcome.trashed)
    inbox = printable(str(sandbox.inbox))
    return "\n".join(
        [
            "",
            "BEFORE: the inbox by date, newest first. Without labels, no date was changed.",
            *_listing(outcome.before),
            "",
            f"Then {kept} landscapes were moved into keep/ and {trashed} screens and charts into",
            f"trash/, as you would in any file manager. {outcome.learning_seconds:.1f} s later:",
            "",
            "AFTER: the inbox by date, newest first, which is best first.",
            *_listing(outcome.after),
            "",
            f"In {outcome.auc:.1%} of all pairs, a landscape comes before a screen or chart.",
            "Only dates changed: no file was renamed, rewritten or deleted. No portrait or poster",
            "was labelled: each one is placed by the labelled pictures that it resembles.",
            "",
            "To see it:",
            f"  {printable(str(sandbox.sheet))}",
            f"  {inbox} (sort it by date, in any viewer)",
            f"To remove the demo, delete {printable(str(sandbox.folder))}.",
            "For your own folder: imgscore init DIR, then imgscore start.",
        ]
    )


def _listing(lines: Sequence["Line"]) -> list[str]:
    """The top and the bottom of an order."""
    rows = [
        f"  {number:>3}  {datetime.fromtimestamp(line.mtime_ns // 10**9):%Y-%m-%d %H:%M:%S}  "
        f"{'  -  ' if line.score is None else f'{line.score:.3f}'}  {printable(line.name)}"
        for number, line in enumerate(lines, start=1)
    ]
    if len(rows) <= 2 * LISTED_ROWS:
        return rows
    left_out = f"       … {len(rows) - 2 * LISTED_ROWS} more …"
    return [*rows[:LISTED_ROWS], left_out, *rows[-LISTED_ROWS:]]
