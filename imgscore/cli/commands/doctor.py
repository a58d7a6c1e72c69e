"""The command `doctor`: print one line for each check, with a remedy if there is a problem."""

import sys
from collections import Counter

import msgspec
import typer

from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.output import print_note, to_json, wrapped
from imgscore.cli.path_text import shortened
from imgscore.cli.progress_bar import ProgressBar
from imgscore.engine.log_text import counted


class Response(msgspec.Struct):
    """The result of one check."""

    check: str
    """the name of the check"""
    state: str
    """`ok`, `warning` or `problem`"""
    detail: str
    """the result of the check, in words"""
    remedy: str
    """a remedy for the problem; may be empty"""


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response)
def doctor(as_json: Json = False) -> None:
    """Check everything that imgscore needs.

    The exit code is 1 if there is a problem.
    """
    from imgscore.doctor import examine

    count: Counter[str] = Counter()
    with ProgressBar("checking") as bar:
        for finding in examine():
            count[finding.state] += 1
            bar.pause()
            if as_json:
                typer.echo(to_json(Response(*finding)))
                continue
            remedy = f" – {finding.remedy}" if finding.remedy else ""
            text = shortened(f"{finding.state:<8}{finding.check}: {finding.detail}{remedy}")
            typer.echo(wrapped(text, sys.stdout))
    if not as_json:
        totals = (counted(count[state], state) for state in ("problem", "warning"))
        print_note(", ".join(totals))
    raise typer.Exit(int(count["problem"] > 0))
