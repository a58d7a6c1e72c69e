"""Yields the events of the daemon as they happen, even if the daemon restarts."""

import time
from collections.abc import Callable, Iterator

from imgscore import client, dispatch
from imgscore.errors import ImgscoreError
from imgscore.events import Event
from imgscore.messages import Result
from imgscore.verbs.watch_log import Request

RETRY_SECONDS = 0.1
"""The time between two tries to connect to the daemon, in seconds."""
RESTART_SECONDS = 10.0
"""The longest time to wait for the restart of a daemon, in seconds.

systemd starts the daemon again 5 s after a crash.
"""


def follow(lost: Callable[[], None] = lambda: None) -> Iterator[Event]:
    """Yield the events of the daemon. The generator never ends by itself.

    The first event, and the first event after each new connection, is a Following.

    If the daemon restarts, reloads its config, or starts again to return memory, the connection is
    lost. This function then calls `lost`, and connects again. Raises ImgscoreError if no connection
    succeeds within RESTART_SECONDS.
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
                lost()
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
