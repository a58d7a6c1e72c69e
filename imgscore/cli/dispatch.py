"""Calls a verb: in the daemon if one runs, otherwise here, on the store itself."""

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
"""Longest wait of a call for the store. A daemon that starts holds it before it listens, and most
commands hold it for a few seconds."""
WRITER_BUSY_SECONDS = 60.0
"""Longest wait of a Writer. It works for hours, and a daemon that reloads its config scans."""
RETRY_SECONDS = 0.05


def call(request: BaseRequest[R], *, daemon_only: bool = False) -> Iterator[Message[R]]:
    """Call a verb and yield its messages. Raises ImgscoreError."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = client.connect(paths.socket_path())
        if connection is not None:
            with connection:
                yield from client.call(connection, request)
            return
        # Check the values before the store is opened: constructing a struct checks only its fields.
        checked = registry.parse(registry.name_of(request), msgspec.to_builtins(request))
        try:
            lock = StoreLock(paths.data_folder())
        except BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
            continue
        with lock:
            from imgscore.store.verify import after_a_crash

            if daemon_only:
                raise NoDaemonError("no daemon is running", "start it with: imgscore start")
            after_a_crash(lock, paths.store_folder())
            yield from _here(checked)
        return


def _here(request: BaseRequest[R]) -> Iterator[Message[R]]:
    from imgscore.engine.engine import open_engine
    from imgscore.store.store import Store

    settings = settings_in_force()
    if not settings.watch and request.needs_watch:
        raise ConfigError(
            f"{paths.config_file()}: nothing is watched yet", "begin with: imgscore init INBOX"
        )
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
    ):
        if not request.keeps_pause:
            engine.paused_until_ns = 0
        yield from drive(engine, registry.run(engine, request))


def settings_in_force() -> "Config":
    """The config, or the defaults if there is no config file."""
    from imgscore import config
    from imgscore.config import Config

    path: Path = paths.config_file()
    return config.load(path) if path.exists() else Config()


class Writer:
    """Sends many requests to the daemon while one runs, or else carries them out here.

    Once it has opened the store here, it holds the store until it is closed. A request is sent
    again if the daemon ends before it answers, so requests must be repeatable. Use as a context
    manager.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._engine: Engine | None = None

    def ask(self, request: BaseRequest[R]) -> R:
        """Call a verb that answers with one row, and return the row. Raises ImgscoreError."""
        deadline = time.monotonic() + WRITER_BUSY_SECONDS
        while self._engine is None:
            connection = client.connect(paths.socket_path())
            try:
                if connection is not None:
                    with connection:
                        return _only_row(client.call(connection, request))
                self._open()
            except (BusyError, NoDaemonError):  # the daemon starts, ends or reloads
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        return _only_row(drive(self._engine, registry.run(self._engine, request)))

    def _open(self) -> None:
        from imgscore.engine.engine import open_engine
        from imgscore.store.store import Store
        from imgscore.store.verify import after_a_crash

        settings = settings_in_force()
        with ExitStack() as stack:
            lock = stack.enter_context(StoreLock(paths.data_folder()))
            after_a_crash(lock, paths.store_folder())
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
    """Make a running daemon reload its config. Waits for a daemon that is about to listen: it may
    have read the old config."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = client.connect(paths.socket_path())
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
