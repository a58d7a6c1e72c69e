"""Calls verbs.

If a daemon is running, the daemon carries out the verb. Otherwise this process carries it out.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from imgscore import client, paths
from imgscore.errors import ConfigError, NoDaemonError
from imgscore.messages import BaseRequest, Message, R
from imgscore.store.lock import BusyError, StoreLock
from imgscore.verbs import registry
from imgscore.verbs.base import drive, rows_of

if TYPE_CHECKING:
    from imgscore.config import Config
    from imgscore.engine.engine import Engine

BUSY_SECONDS = 5.0
"""The longest time that a call waits for the lock of the store, in seconds.

Without a daemon, most commands lock the store for a few seconds. A starting daemon locks the store
before it accepts calls.
"""
WRITER_BUSY_SECONDS = 60.0
"""The longest time that a Writer waits for the lock of the store, in seconds.

A Writer can run for hours, and a daemon can reload its config during this time. After a reload, the
daemon scans all folders before it accepts calls. This can take many seconds.
"""
RETRY_SECONDS = 0.05
"""The time between two tries to connect to the daemon or to lock the store, in seconds."""


def call(request: BaseRequest[R], *, daemon_only: bool = False) -> Iterator[Message[R]]:
    """Call a verb and yield its messages. Raises ImgscoreError if the verb fails.

    `daemon_only`: if true, raise NoDaemonError if no daemon is running.
    """
    # Check the fields of the request before it is sent, or before the store is opened: JSON has no
    # infinity, and the constructor of the request checked nothing.
    checked = registry.parse(registry.name_of(request), msgspec.to_builtins(request))
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = client.connect_to_daemon()
        if connection is not None:
            with connection:
                yield from client.call(connection, request)
            return
        try:
            lock = StoreLock(paths.data_folder())
        except BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
            continue
        with lock:
            from imgscore.store import verify

            if daemon_only:
                raise NoDaemonError("no daemon is running", "start the daemon: imgscore start")
            verify.before_use(lock, paths.store_folder())
            yield from _here(checked)
        return


def _here(request: BaseRequest[R]) -> Iterator[Message[R]]:
    from imgscore.engine.engine import open_engine
    from imgscore.store.store import Store

    settings = settings_in_force()
    if not settings.watch and request.needs_watch:
        raise ConfigError(
            f"{paths.config_file()}: no folder is watched yet", "add a folder: imgscore init INBOX"
        )
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
    ):
        if not request.keeps_pause:
            engine.paused_until_ns = 0
        yield from drive(engine, registry.run(engine, request))


def settings_in_force() -> "Config":
    """Return the config, or the default settings if there is no config file."""
    from imgscore import config
    from imgscore.config import Config

    path: Path = paths.config_file()
    return config.load(path) if path.exists() else Config()


class Writer:
    """A context manager that carries out many requests one after the other.

    The Writer sends each request to the daemon if a daemon is running. Otherwise the Writer opens
    the store in this process, and keeps it locked until the end of the `with` block.

    If the daemon ends before it has answered, the Writer sends the request again. It must therefore
    be harmless to carry out a request twice.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._engine: Engine | None = None

    def ask(self, request: BaseRequest[R]) -> R:
        """Call a verb that yields exactly one row, and return the row.

        Raises ImgscoreError if the verb fails.
        """
        deadline = time.monotonic() + WRITER_BUSY_SECONDS
        while self._engine is None:
            connection = client.connect_to_daemon()
            try:
                if connection is not None:
                    with connection:
                        return _only_row(client.call(connection, request))
                self._open()
            except (BusyError, NoDaemonError):  # a daemon is starting, ending or reloading
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        return _only_row(drive(self._engine, registry.run(self._engine, request)))

    def _open(self) -> None:
        from imgscore.engine.engine import open_engine
        from imgscore.store import verify
        from imgscore.store.store import Store

        settings = settings_in_force()
        with ExitStack() as stack:
            lock = stack.enter_context(StoreLock(paths.data_folder()))
            verify.before_use(lock, paths.store_folder())
            store = stack.enter_context(Store(paths.store_folder()))
            engine = stack.enter_context(open_engine(store, settings, paths.heads_folder()))
            self._stack = stack.pop_all()
        self._engine = engine

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _only_row(messages: Iterator[Message[R]]) -> R:
    (row,) = rows_of(messages)
    return row


def reload_daemon() -> None:
    """Make a running daemon reload its config. Do nothing if no daemon is running.

    If a daemon is starting, wait until it accepts calls. This daemon may have read the old config.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = client.connect_to_daemon()
        if connection is not None:
            with connection:
                list(client.exchange(connection, "reload", {}))
            return
        try:
            StoreLock(paths.data_folder()).close()
        except BusyError:
            if time.monotonic() < deadline:
                time.sleep(RETRY_SECONDS)
                continue
        return
