"""The command `watch-log`: print events as they happen."""

import contextlib
import sys

from imgscore import event_stream
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.formatting import event_line
from imgscore.cli.output import print_note, to_json
from imgscore.verbs.watch_log import Response


@app.command("watch-log", rich_help_panel=Section.DAEMON)
@prints(Response)
def watch_log(as_json: Json = False) -> None:
    """Print events as they happen, until you press Ctrl-C.

    A daemon must be running.
    """
    with contextlib.suppress(KeyboardInterrupt):
        for row in event_stream.follow(_print_lost):
            sys.stdout.write((to_json(row) if as_json else event_line(row)) + "\n")
            sys.stdout.flush()


def _print_lost() -> None:
    print_note("the connection was lost; to see the events until it is back: imgscore history")
