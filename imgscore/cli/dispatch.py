"""Carry out a verb: through the daemon where one runs, on the store itself where none does."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from imgscore import client, config, paths
from imgscore.config import Config
from imgscore.errors import ConfigError, NoDaemonError
from imgscore.messages import BaseRequest, Message, R, Result
from imgscore.store.lock import BusyError, StoreLock
from imgscore.verbs import registry
from imgscore.verbs.base import drive, rows_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

# A daemon that starts holds the store before it listens; another CLI call lets go soon.
PATIENCE_SECONDS = 5.0
# What works for hours waits for longer: a daemon that reads its config again looks at every file.
WRITER_PATIENCE_SECONDS = 60.0

# Verbs that need a folder to work on.
NEED_A_WATCH = frozenset({"scan", "order", "wait"})
# Verbs about the pause itself; to any other, asked for now, a pause of the daemon's does not apply.
ASK_THE_STORE = frozenset({"status", "pause", "resume"})


def call(
    verb: str, arguments: dict[str, Any], *, daemon_only: bool = False
) -> Iterator[Message[Any]]:
    """The messages of a verb. Raises ImgscoreError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        connection = client.connect(paths.socket_path())
        if connection is not None:
            with connection:
                yield from client.exchange(connection, verb, arguments)
            return
        if verb != "stop":
            registry.parse(verb, arguments)  # a wrong request is refused before anything is opened
        try:
            lock = StoreLock(paths.data_folder())
        except BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
            continue
        with lock:
            from imgscore.store.verify import after_a_crash

            if daemon_only:
                raise NoDaemonError("no daemon is running", "start it with: imgscore start")
            after_a_crash(lock, paths.store_folder())
            yield from _here(verb, arguments)
        return


def _here(verb: str, arguments: dict[str, Any]) -> Iterator[Message[Any]]:
    from imgscore.engine.engine import open_engine
    from imgscore.store.store import Store

    settings = settings_in_force()
    if not settings.watch and verb in NEED_A_WATCH:
        raise ConfigError(
            f"{paths.config_file()}: nothing is watched yet", "begin with: imgscore init INBOX"
        )
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
    ):
        if verb not in ASK_THE_STORE:
            engine.paused_until_ns = 0
        yield from drive_verb(engine, verb, arguments)


def drive_verb(engine: "Engine", verb: str, arguments: dict[str, Any]) -> Iterator[Message[Any]]:
    """The messages of a verb on an engine; rows as decoded JSON."""
    for message in drive(engine, registry.run(engine, registry.parse(verb, arguments))):
        match message:
            case Result(row):
                yield Result(msgspec.to_builtins(row))
            case _:
                yield message


def settings_in_force() -> Config:
    """The config, or the defaults where there is none yet."""
    path: Path = paths.config_file()
    return config.load(path) if path.exists() else Config()


class Writer:
    """Who writes the store through many requests, each of which may be carried out twice.

    The daemon, where one runs, for as long as it does; else this process, which then holds the
    store to its end. Use as a context manager.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._engine: Engine | None = None

    def ask(self, request: BaseRequest[R]) -> R:
        """The one row that a verb answers with. Raises ImgscoreError."""
        deadline = time.monotonic() + WRITER_PATIENCE_SECONDS
        while self._engine is None:
            connection = client.connect(paths.socket_path())
            try:
                if connection is not None:
                    with connection:
                        return _only_row(client.call(connection, request))
                self._open()
            except (BusyError, NoDaemonError):  # it starts, ends, or reads its config again
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
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


def tell_daemon() -> None:
    """Let a running daemon read the config again; one that starts may have read the old one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
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
                time.sleep(0.05)
                continue
        return
