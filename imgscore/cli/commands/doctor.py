"""The command `doctor`: print one line for each check, with a remedy if there is a problem."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.output import print_note, printable, to_json, wrapped
from imgscore.cli.path_text import shortened
from imgscore.cli.progress_bar import ProgressBar
from imgscore.engine.log_text import counted
from imgscore.errors import UsageError

if TYPE_CHECKING:
    from imgscore.doctor.finding import Finding

BUNDLE = "imgscore-report.json"
"""The name of the report if no name is given; it is written into the working folder."""


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


class Bundle(msgspec.Struct):
    """The report that was written."""

    file: str
    """the path of the report"""
    findings: int
    """the number of findings in the report"""


@app.command(rich_help_panel=Section.BEGIN)
@prints(Response | Bundle)
def doctor(
    file: Annotated[
        Path | None, typer.Argument(help="With --bundle: the file to write, in JSON.")
    ] = None,
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle",
            help="Write a report for a bug report, without names and pictures. The default file is "
            f"{BUNDLE}.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check everything that imgscore needs.

    The exit code is 1 if there is a problem. With --bundle, it is 0 if the report was written.
    """
    from imgscore.doctor import examine

    if file is not None and not bundle:
        raise UsageError("a file is only written with --bundle", f"imgscore doctor --bundle {file}")
    if bundle:
        row = _write(file or Path(BUNDLE))
        typer.echo(to_json(row) if as_json else printable(row.file))
        print_note("read the report before you publish it: it should contain none of your names")
        return
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


def _write(file: Path) -> Bundle:
    """Run all checks, and write the report."""
    from imgscore.doctor import bundle, examine

    findings: list[tuple[Finding, float]] = []
    began = time.monotonic()
    with ProgressBar("checking"):
        for finding in examine():
            now = time.monotonic()
            findings.append((finding, now - began))
            began = now
        report = bundle.collect(findings)
    bundle.write(report, file)
    return Bundle(str(file.absolute()), len(findings))
