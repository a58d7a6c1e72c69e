"""doctor: print one line for each check, with its remedy."""

from collections import Counter

import typer

from imgscore.cli.app import Json, Section, app
from imgscore.cli.output import printable, say, to_json
from imgscore.doctor import examine


@app.command(rich_help_panel=Section.BEGIN)
def doctor(as_json: Json = False) -> None:
    """Check everything that imgscore needs.

    The exit code is 1 if there is a problem.
    """
    count: Counter[str] = Counter()
    for finding in examine():
        row = {
            "check": finding.check,
            "state": finding.state,
            "detail": finding.detail,
            "remedy": finding.remedy,
        }
        count[finding.state] += 1
        if as_json:
            typer.echo(to_json(row))
            continue
        remedy = f" – {finding.remedy}" if finding.remedy else ""
        typer.echo(printable(f"{finding.state:<8}{finding.check}: {finding.detail}{remedy}"))
    if not as_json:
        say(f"{count['problem']} problems, {count['warning']} warnings")
    raise typer.Exit(int(count["problem"] > 0))
