"""Waits for a new order of a taste, for the review page.

The process reads the size and date of the store's file, and opens the store only if they changed.
It sends nothing to the daemon, so an open page does not wake an idle daemon.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from imgscore import paths
from imgscore.errors import ImgscoreError

WAIT_SECONDS = 25.0
"""The longest wait of one call, in seconds. It is shorter than the timeouts of browsers."""
LOOK_SECONDS = 1.0
"""Seconds between two checks of the store's file. A check takes 10 µs."""


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
        deadline = time.monotonic() + WAIT_SECONDS
        before = None
        while True:
            state = self._look()
            if (
                state is not None
                and state.version != known
                and state.scored
                and (state.scored >= state.files or state == before)
            ):
                return state.version
            before = state
            if time.monotonic() >= deadline or self._ended.wait(LOOK_SECONDS):
                return known

    def end(self) -> None:
        """End all waits."""
        self._ended.set()

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
