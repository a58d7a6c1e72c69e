"""The command `demo`: show how imgscore works, on generated pictures."""

import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.output import print_messages, print_note, printable
from imgscore.cli.path_text import short
from imgscore.messages import Message, Result

if TYPE_CHECKING:
    from imgscore.demo.folder import DemoFolder
    from imgscore.demo.scenario import Line, Outcome

LISTED_ROWS = 12
"""The demo prints this many files from the top of an order, and as many from the bottom."""


class Response(msgspec.Struct):
    """The result of the demo."""

    folder: str
    """the folder of the demo"""
    inbox: str
    """the inbox in the folder of the demo"""
    sheet: str
    """an image that shows the order of the inbox before and after the training"""
    before: list[str]
    """the files of the inbox before the ordering, newest first"""
    after: list[str]
    """the files of the inbox after the ordering, newest first"""
    kept: list[str]
    """the files that were moved into keep/"""
    trashed: list[str]
    """the files that were moved into trash/"""
    auc: float
    """the share of pairs (one liked, one disliked picture) with the liked picture first"""
    learning_seconds: float
    """the seconds between the move of the last file and the new order"""
    seconds: float
    """the time that the demo took, in seconds"""
    error: str | None = None
    """always null"""


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response)
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder, or the folder of an earlier demo.")
    ] = Path("imgscore-demo"),
    as_json: Json = False,
) -> None:
    """Show how imgscore works, on 120 generated pictures.

    The demo draws the pictures into a new folder. It moves twelve of the pictures to keep/ and
    trash/. Then it prints the order of the folder before and after the training.
    """
    from imgscore.demo.folder import DemoFolder

    for number in (signal.SIGTERM, signal.SIGHUP):
        # Handle SIGTERM and SIGHUP like Ctrl-C, so that the daemon is ended.
        signal.signal(number, signal.default_int_handler)
    sandbox = DemoFolder(folder)
    sandbox.prepare()
    if not as_json:
        print_note(f"drawing pictures into {short(str(sandbox.inbox))}, which a daemon watches …")
    outcomes: list[Outcome] = []
    # When this block ends, it closes `messages`, which ends the daemon of the demo. The block also
    # ends if the user presses Ctrl-C.
    with closing(_messages(sandbox, outcomes)) as messages:
        code = print_messages(messages, lambda _: _text(sandbox, outcomes[0]), as_json=as_json)
    raise typer.Exit(code)


def _messages(
    sandbox: "DemoFolder", outcomes: "list[Outcome]"
) -> Generator[Message[Response], None, None]:
    """Run the demo, and yield its progress and a Response. Append the Outcome to `outcomes`."""
    from imgscore.demo.scenario import run

    outcome = yield from run(sandbox)
    outcomes.append(outcome)
    yield Result(
        Response(
            folder=str(sandbox.folder),
            inbox=str(sandbox.inbox),
            sheet=str(sandbox.sheet),
            before=[line.name for line in outcome.before],
            after=[line.name for line in outcome.after],
            kept=outcome.kept,
            trashed=outcome.trashed,
            auc=round(outcome.auc, 4),
            learning_seconds=round(outcome.learning_seconds, 2),
            seconds=round(outcome.seconds, 2),
        )
    )


def _text(sandbox: "DemoFolder", outcome: "Outcome") -> str:
    kept, trashed = len(outcome.kept), len(outcome.trashed)
    inbox = short(str(sandbox.inbox))
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
            f"  {short(str(sandbox.sheet))}",
            f"  {inbox} (sort it by date, in any viewer)",
            f"To remove the demo, delete {short(str(sandbox.folder))}.",
            "For your own folder: imgscore init DIR, then imgscore start.",
        ]
    )


def _listing(lines: Sequence["Line"]) -> list[str]:
    """Return the printed lines for the files at the top and at the bottom of an order."""
    rows = [
        f"  {number:>3}  {datetime.fromtimestamp(line.mtime_ns // 10**9):%Y-%m-%d %H:%M:%S}  "
        f"{'  -  ' if line.score is None else f'{line.score:.3f}'}  {printable(line.name)}"
        for number, line in enumerate(lines, start=1)
    ]
    if len(rows) <= 2 * LISTED_ROWS:
        return rows
    left_out = f"       … {len(rows) - 2 * LISTED_ROWS} more …"
    return [*rows[:LISTED_ROWS], left_out, *rows[-LISTED_ROWS:]]
