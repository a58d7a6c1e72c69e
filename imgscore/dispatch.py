"""Calls verbs.

If a daemon is running, the daemon carries out the verb. Otherwise this process carries it out.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from imgscore import client, paths
from imgscore.errors import ConfigError, NoDaemonError, StoreError
from imgscore.messages import BaseRequest, Message, R
from imgscore.store.lock import BusyError, StoreLock
from imgscore.verbs import registry
from imgscore.verbs.base import drive, rows_of

if TYPE_CHECKING:
    from imgscore.config import Config
    from imgscore.engine.engine import Engine
    from imgscore.store.store import Store

BUSY_SECONDS = 5.0
"""The longest time that a call waits for a command that has locked the store, in seconds.

Without a daemon, most commands lock the store for a few seconds.
"""
START_BUSY_SECONDS = 60.0
"""The longest time that a call waits for a daemon that is starting, in seconds.

A daemon locks the store before it accepts calls. After a crash, it first checks the whole store.
"""
SESSION_BUSY_SECONDS = 60.0
"""The longest time that a Session waits for the lock of the store, in seconds.

A Session can last for hours, and a daemon can reload its config during this time. After a reload,
the daemon scans all folders before it accepts calls. This can take many seconds.
"""
RETRY_SECONDS = 0.05
"""The time between two tries to connect to the daemon or to lock the store, in seconds."""

PAUSE_NS = 24 * 3600 * 10**9
"""The length of the pause of other work while a request only reads, in nanoseconds. A day is longer
than any request; the pause ends with the request."""


class Page(Protocol):
    """A part of a long list. `after`: the place at which the next part begins; None at the end."""

    @property
    def after(self) -> object: ...


PageT = TypeVar("PageT", bound=Page)


def call(request: BaseRequest[R], *, daemon_only: bool = False) -> Iterator[Message[R]]:
    """Call a verb and yield its messages. Raises ImgscoreError if the verb fails.

    `daemon_only`: if true, raise NoDaemonError if no daemon is running.
    """
    # Check the fields of the request before it is sent, or before the store is opened: JSON has no
    # infinity, and the constructor of the request checked nothing.
    checked = registry.parse(
        registry.name_of(request), msgspec.to_builtins(request, builtin_types=(bytes,))
    )
    found = _connected_or_locked()
    with found:
        if isinstance(found, socket.socket):
            yield from client.call(found, request)
            return
        from imgscore.store import verify

        if daemon_only:
            raise NoDaemonError("no daemon is running", "start the daemon: imgscore start")
        verify.before_use(found, paths.store_folder())
        yield from _here(checked)


def _connected_or_locked() -> socket.socket | StoreLock:
    """Return a connection to the daemon, or the lock of the store if no daemon is running.

    If another process has locked the store, wait: BUSY_SECONDS for a command, START_BUSY_SECONDS
    for a daemon that does not accept calls yet. Raises BusyError after that.
    """
    began = time.monotonic()
    end = began + BUSY_SECONDS
    while True:
        connection = client.connect_to_daemon()
        if connection is not None:
            return connection
        try:
            return StoreLock(paths.data_folder())
        except BusyError as error:
            now = time.monotonic()
            if error.daemon_starts:
                end = min(now + BUSY_SECONDS, began + START_BUSY_SECONDS)
            if now >= end:
                raise
        time.sleep(RETRY_SECONDS)


def _here(request: BaseRequest[R]) -> Iterator[Message[R]]:
    from imgscore.engine.engine import open_engine
    from imgscore.store.store import Store

    settings = settings_in_force()
    _check_watches(settings, request)
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
    ):
        yield from _carry_out(engine, request)


def _check_watches(settings: "Config", request: BaseRequest[Any]) -> None:
    """Raise ConfigError if a request needs a watched folder, and the config has none."""
    if not settings.watch and request.needs_watch:
        raise ConfigError(
            f"{paths.config_file()}: no folder is watched yet", "add a folder: imgscore init INBOX"
        )


def _carry_out(engine: "Engine", request: BaseRequest[R]) -> Iterator[Message[R]]:
    """Run a verb in this process. A pause of the daemon does not stop it.

    A request that only reads pauses the other work: its images and its training would take the
    workers and the time of this process.
    """
    if request.keeps_pause:
        yield from drive(engine, registry.run(engine, request))
        return
    until_ns = engine.paused_until_ns
    engine.paused_until_ns = time.time_ns() + PAUSE_NS if request.only_reads else 0
    try:
        yield from drive(engine, registry.run(engine, request))
    finally:
        engine.paused_until_ns = until_ns


def settings_in_force() -> "Config":
    """Return the config, or the default settings if there is no config file."""
    from imgscore import config
    from imgscore.config import Config

    path: Path = paths.config_file()
    return config.load(path) if path.exists() else Config()


class Session:
    """A context manager that carries out many requests one after the other.

    The Session sends each request to the daemon if a daemon is running. Otherwise the Session opens
    the store in this process, and keeps it locked until the end of the `with` block.

    If the daemon ends before it has answered, the Session sends the request again. It must
    therefore be harmless to carry out a request twice.

    `daemon_only`: if true, raise NoDaemonError if no daemon is running, and never open the store.
    `busy_seconds`: the longest time to wait while another process has locked the store.
    """

    def __init__(
        self, *, daemon_only: bool = False, busy_seconds: float = SESSION_BUSY_SECONDS
    ) -> None:
        self._daemon_only = daemon_only
        self._busy_seconds = busy_seconds
        self._stack = ExitStack()
        self._engine: Engine | None = None

    @property
    def store(self) -> "Store | None":
        """The store, if this Session has opened it."""
        return None if self._engine is None else self._engine.ctx.store

    def ask(self, request: BaseRequest[R]) -> R:
        """Call a verb that yields exactly one row, and return the row.

        Raises ImgscoreError if the verb fails.
        """
        (row,) = self.rows(request)
        return row

    def pages(self, request: BaseRequest[Any], page_type: type[PageT]) -> Iterator[PageT]:
        """Yield the parts of a long list. Raises ImgscoreError if the verb fails.

        `request`: its field `after` is the place at which a part begins. Each part is a request of
        its own, so that a daemon can work between two of them.
        """
        while True:
            page = self.ask(request)
            assert isinstance(page, page_type)
            yield page
            if page.after is None:
                return
            request = msgspec.structs.replace(request, after=page.after)

    def rows(self, request: BaseRequest[R]) -> list[R]:
        """Call a verb, and return its rows. Raises ImgscoreError if the verb fails."""
        checked = registry.parse(
            registry.name_of(request), msgspec.to_builtins(request, builtin_types=(bytes,))
        )
        deadline = time.monotonic() + self._busy_seconds
        while self._engine is None:
            connection = client.connect_to_daemon()
            try:
                if connection is not None:
                    with connection:
                        return rows_of(client.call(connection, request))
                self._open()
            except (BusyError, NoDaemonError) as error:  # a daemon is starting, ending or reloading
                if isinstance(error, _NoDaemonHereError) or time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        _check_watches(self._engine.ctx.config, request)
        return rows_of(_carry_out(self._engine, checked))

    def _open(self) -> None:
        from imgscore.engine.engine import open_engine
        from imgscore.store import verify
        from imgscore.store.store import Store

        settings = settings_in_force()
        with ExitStack() as stack:
            lock = stack.enter_context(StoreLock(paths.data_folder()))
            if self._daemon_only:
                raise _NoDaemonHereError("no daemon is running", "start the daemon: imgscore start")
            verify.before_use(lock, paths.store_folder())
            store = stack.enter_context(Store(paths.store_folder()))
            engine = stack.enter_context(open_engine(store, settings, paths.heads_folder()))
            self._stack = stack.pop_all()
        self._engine = engine

    def close(self) -> None:
        """Close the store, if this Session has opened it. A second call has no effect."""
        self._engine = None
        self._stack.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _NoDaemonHereError(NoDaemonError):
    """No process has locked the store, so no daemon runs or starts."""


def reload_daemon() -> None:
    """Make a running daemon reload its config. Do nothing if no daemon is running.

    If a daemon is starting, wait until it accepts calls. This daemon may have read the old config.
    """
    connection = connect_soon()
    if connection is not None:
        with connection:
            list(client.exchange(connection, "reload", {}))


def connect_soon() -> socket.socket | None:
    """Connect to the daemon. Return None if no daemon is running.

    If a daemon is starting, or starts its program again, wait until it accepts calls. It has locked
    the store.
    """
    try:
        found = _connected_or_locked()
    except StoreError:  # It stays locked, or the folder cannot be written.
        return None
    if isinstance(found, socket.socket):
        return found
    found.close()
    return None
