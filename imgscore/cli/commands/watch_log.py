"""The command `watch-log`: print events as they happen."""

import contextlib
import sys
import time
from collections.abc import Iterator

from imgscore import client
from imgscore.cli import dispatch
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.formatting import event_line
from imgscore.cli.output import print_note, to_json
from imgscore.errors import ImgscoreError
from imgscore.events import Event
from imgscore.messages import Result
from imgscore.verbs.watch_log import Request, Response

RETRY_SECONDS = 0.1
"""The time between two tries to connect to the daemon, in seconds."""
RESTART_SECONDS = 10.0
"""The longest time to wait for the restart of a daemon, in seconds.

systemd starts the daemon again 5 s after a crash.
"""


@app.command("watch-log", rich_help_panel=Section.DAEMON)
@prints(Response)
def watch_log(as_json: Json = False) -> None:
    """Print events as they happen, until you press Ctrl-C.

    A daemon must be running.
    """
    with contextlib.suppress(KeyboardInterrupt):
        for row in _rows():
            sys.stdout.write((to_json(row) if as_json else event_line(row)) + "\n")
            sys.stdout.flush()


def _rows() -> Iterator[Event]:
    """Yield the events of the daemon. The generator never ends by itself.

    If the daemon restarts or reloads its config, the connection is lost. This function then
    connects again. Raises ImgscoreError if no connection succeeds within RESTART_SECONDS.
    """
    deadline: float | None = 0.0
    while True:
        try:
            for message in dispatch.call(Request(), daemon_only=True):
                deadline = None
                if isinstance(message, Result):
                    yield message.row
        except ImgscoreError:
            if deadline is None:
                deadline = time.monotonic() + RESTART_SECONDS
                print_note(
                    "the connection was lost; to see the events until it is back: imgscore history"
                )
            if time.monotonic() >= deadline:
                raise
            _await_daemon(deadline)


def _await_daemon(deadline: float) -> None:
    """Wait until a daemon accepts connections, or until `deadline`.

    This function only connects. If it called a verb, this process would lock the store, and the
    daemon could not start.
    """
    while not _listens() and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)


def _listens() -> bool:
    connection = client.connect_to_daemon()
    if connection is None:
        return False
    connection.close()
    return True
