"""The command `wait`: wait until nothing is pending."""

from typing import Annotated

import typer

from imgscore.cli.app import Json, Section, app, prints, run
from imgscore.messages import MAX_SECONDS
from imgscore.verbs.wait import Request, Response


@app.command(rich_help_panel=Section.DAEMON)
@prints(Response)
def wait(
    timeout: Annotated[
        float | None,
        typer.Option(min=0, max=MAX_SECONDS, help="Give up after N seconds, with exit code 1."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Wait until the daemon has finished all pending work.

    A daemon must be running.
    """
    run(Request(timeout), lambda row: None, as_json=as_json, daemon_only=True)
