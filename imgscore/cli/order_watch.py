"""Waits for a new order of a taste, for the review page.

The kernel reports changes of the store's file. Only then, this process reads the store. It sends
nothing to the daemon, so an open page wakes neither an idle daemon nor this process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

from imgscore import paths
from imgscore.errors import ImgscoreError
from imgscore.system.file_events import FolderEvents

WAIT_SECONDS = 25.0
"""The longest wait of one call, in seconds. It is shorter than the timeouts of browsers."""
LOOK_SECONDS = 1.0
"""The shortest time between two readings of the store, in seconds. While the daemon works, it
changes the store many times a second."""


class _State(NamedTuple):
    """The head that is in use, and the numbers of files and scored files of the inboxes."""

    head: str
    files: int
    scored: int

    @property
    def version(self) -> str:
        """A text that differs if the head or the number of files differs."""
        return f"{self.head}-{self.files}"


class OrderWatch:
    """Finds new orders of the inboxes of a taste.

    `guard`: returns a lock that this object holds while it has the store open, because a process
    may open the store only once.
    """

    def __init__(
        self, taste: str, inboxes: list[bytes], guard: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._taste = taste
        self._inboxes = inboxes
        self._guard = guard
        self._file: tuple[int, int, int] | None = None
        self._state: _State | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._waits: set[FolderEvents] = set()

    def version(self) -> str:
        """Return the version of the present order; "" if it cannot be read."""
        state = self._look()
        return "" if state is None else state.version

    def wait(self, known: str) -> str:
        """Wait until an order with another version than `known` is complete, and return its
        version.

        Return `known` after WAIT_SECONDS. An order is complete when its head has scored all files,
        or when no more files get a score.
        """
        events = self._begin()
        try:
            return self._wait(known, events)
        finally:
            self._finish(events)

    def _wait(self, known: str, events: FolderEvents | None) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        before = None
        while not self._ended.is_set() and (left := deadline - time.monotonic()) > 0:
            state = self._look()
            is_new = state is not None and state.version != known and state.scored > 0
            if is_new and state is not None and (state.scored >= state.files or state == before):
                return state.version
            before = state
            # Without a change, a new order that is not complete is read once more, and never again.
            if events is not None and not is_new:
                events.wait(left)
            self._ended.wait(min(left, LOOK_SECONDS))
        return known

    def _begin(self) -> FolderEvents | None:
        """Return the events of the store's folder; None if the kernel reports no more folders."""
        events = None
        with self._lock, suppress(OSError):
            if not self._ended.is_set():
                events = FolderEvents(paths.store_folder())
                self._waits.add(events)
        return events

    def _finish(self, events: FolderEvents | None) -> None:
        if events is not None:
            with self._lock:
                self._waits.remove(events)
            events.close()

    def end(self) -> None:
        """End all waits."""
        with self._lock:
            self._ended.set()
            for events in self._waits:
                events.end()

    def _look(self) -> _State | None:
        """Return the present state, or the last state if the store cannot be read now."""
        try:
            status = (paths.store_folder() / "data.mdb").stat()
        except OSError:
            return self._state
        file = (status.st_ino, status.st_size, status.st_mtime_ns)
        if file != self._file:
            try:
                with self._guard():
                    self._state = self._read()
                self._file = file
            except ImgscoreError:  # for example while the store is restored
                return self._state
        return self._state

    def _read(self) -> _State:
        from imgscore.store import counts, heads
        from imgscore.store.store import Store

        with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
            current = heads.current(txn, self._taste)
            head = "" if current is None else current.version
            return _State(
                head,
                sum(counts.files(txn, inbox, "inbox") for inbox in self._inboxes),
                sum(counts.scored(txn, inbox, self._taste, head) for inbox in self._inboxes),
            )
