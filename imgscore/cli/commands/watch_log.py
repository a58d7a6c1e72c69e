"""watch-log: a line for everything that happens, as it happens."""

import contextlib
import sys
import time
from collections.abc import Iterator

from imgscore import client, paths
from imgscore.cli import dispatch
from imgscore.cli.app import Json, Section, app
from imgscore.cli.formatting import event_line
from imgscore.cli.output import say, to_json
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.verbs.base import Row

AGAIN_SECONDS = 0.1
# A service manager starts a daemon again after a few seconds.
COMES_BACK_SECONDS = 10.0


@app.command("watch-log", rich_help_panel=Section.DAEMON)
def watch_log(as_json: Json = False) -> None:
    """Print events as they happen, until you press Ctrl-C.

    Needs a running daemon.
    """
    with contextlib.suppress(KeyboardInterrupt):
        for row in _rows():
            sys.stdout.write((to_json(row) if as_json else event_line(row)) + "\n")
            sys.stdout.flush()


def _rows() -> Iterator[Row]:
    """Rows without end. A daemon that restarts, or reads its config again, is followed on."""
    patient_until: float | None = 0.0
    while True:
        try:
            for message in dispatch.call("watch-log", {}, daemon_only=True):
                patient_until = None
                if isinstance(message, Result):
                    yield message.row
        except ImgscoreError:
            if patient_until is None:
                patient_until = time.monotonic() + COMES_BACK_SECONDS
                say("the connection was lost; what happens meanwhile: imgscore history")
            if time.monotonic() >= patient_until:
                raise
            _await_daemon(patient_until)


def _await_daemon(deadline: float) -> None:
    """Until one listens. Asking for its store would keep one that starts from having it."""
    while not _listens() and time.monotonic() < deadline:
        time.sleep(AGAIN_SECONDS)


def _listens() -> bool:
    connection = client.connect(paths.socket_path())
    if connection is None:
        return False
    connection.close()
    return True
