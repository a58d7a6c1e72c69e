"""The command `pause`: pause the daemon."""

import re
from typing import Annotated

import typer

from imgscore.cli.app import Json, Section, app, prints, run
from imgscore.cli.formatting import until_text
from imgscore.errors import UsageError
from imgscore.verbs.pause import Request, Response

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command(rich_help_panel=Section.DAEMON)
@prints(Response)
def pause(
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="A length of time, such as 30m or 2h. Without it: until `imgscore resume`.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pause the daemon.

    The pause continues if the daemon restarts.
    """
    seconds = None if for_ is None else _seconds(for_)
    run(
        Request(seconds),
        lambda row: f"{row.state} until {until_text(row.paused_until_ns)}",
        as_json=as_json,
    )


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise UsageError(
            f"--for {text!r} is not a length of time", "write for example 30m, 2h or 1d"
        )
    return float(match[1]) * UNIT_SECONDS[match[2] or "s"]
