"""What other threads tell the loop: hints, calls, and that it shall end. The only shared state."""

import os
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

END = None
"""Closes a call's answers."""
FOLLOWS = "watch-log"
"""The verb that never ends by itself, and has nothing to say while nothing goes on."""


@dataclass
class Call:
    """A verb that a client asked for; its answer's lines, then END."""

    verb: str
    arguments: dict[str, Any]
    answers: "queue.SimpleQueue[dict[str, Any] | None]" = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False


@dataclass
class Pending:
    """Everything that came in since the last look."""

    files: set[bytes] = field(default_factory=set)
    trees: set[bytes] = field(default_factory=set)
    everything: bool = False
    calls: list[Call] = field(default_factory=list)
    stop: bool = False
    reload: bool = False
    jobs: set[str] = field(default_factory=set)
    saving: str | None = None
    """why work that can wait should, or "" where it need not; None = as before"""


class Mailbox:
    """Any thread posts; the loop takes. `descriptor` becomes readable when there is post."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._pending = Pending()
        self._told_then: list[Call] = []

    def hint(self, path: bytes) -> None:
        """Something may have happened at a path."""
        with self._lock:
            self._pending.files.add(path)
        self._wake()

    def hint_tree(self, root: bytes) -> None:
        """Anything may have happened under a folder."""
        with self._lock:
            self._pending.trees.add(root)
        self._wake()

    def hint_all(self) -> None:
        """Anything may have happened anywhere: events were lost, or it is time to look."""
        with self._lock:
            self._pending.everything = True
        self._wake()

    def job(self, name: str) -> None:
        """A piece of housekeeping is due."""
        with self._lock:
            self._pending.jobs.add(name)
        self._wake()

    def save_power(self, saving: str) -> None:
        """The power has changed: why work that can wait should, or "" where it need not."""
        with self._lock:
            self._pending.saving = saving
        self._wake()

    def call(self, call: Call) -> None:
        """A client wants an answer."""
        with self._lock:
            self._pending.calls.append(call)
        self._wake()

    def stop(self) -> None:
        """Finish, and end. Safe in a signal handler of the main thread: takes no lock."""
        self._pending.stop = True
        self._wake()

    def reload(self, call: Call | None = None) -> None:
        """The config has changed: end, and begin again with the new one; `call` is told then."""
        if call is not None:
            self._told_then.append(call)
        self._pending.reload = True
        self._wake()

    def asked_for_reload(self) -> list[Call]:
        """Who waits for the reload; nobody does afterwards."""
        calls, self._told_then = self._told_then, []
        return calls

    def take(self) -> Pending:
        """All the post, and none is left."""
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return Pending(stop=self._pending.stop)
        with self._lock:
            pending, self._pending = self._pending, Pending(stop=self._pending.stop)
        return pending

    def _wake(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
