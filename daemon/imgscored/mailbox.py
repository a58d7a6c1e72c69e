"""The only state that threads share: hints, calls and commands for the loop."""

import os
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from imgscore.protocol import Line

END = None
"""The last item in a call's `answers`."""
FOLLOWS = "watch-log"
"""The verb that runs until its client leaves, and is silent while nothing happens."""


@dataclass
class Call:
    """A verb that a client called. `answers` receives the lines of the answer, then END."""

    verb: str
    arguments: dict[str, Any]
    answers: "queue.SimpleQueue[Line | None]" = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False
    works_on_battery: bool = False
    """the request's, once the verb has begun"""


@dataclass
class Pending:
    """Everything that was posted since the last `take`."""

    files: set[bytes] = field(default_factory=set)
    trees: set[bytes] = field(default_factory=set)
    everything: bool = False
    calls: list[Call] = field(default_factory=list)
    stop: bool = False
    reload: bool = False
    jobs: set[str] = field(default_factory=set)
    saving: str | None = None
    """why work that can wait must wait; "" = it need not wait; None = unchanged"""


class Mailbox:
    """Any thread posts; the loop takes. `descriptor` is readable while something is posted."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._pending = Pending()
        self._reload_calls: list[Call] = []

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
        """Anything may have happened anywhere: events were lost, or a rescan is due."""
        with self._lock:
            self._pending.everything = True
        self._wake()

    def job(self, name: str) -> None:
        """A maintenance job is due."""
        with self._lock:
            self._pending.jobs.add(name)
        self._wake()

    def save_power(self, saving: str) -> None:
        """The power supply changed. saving: why work that can wait must wait; "" = go on."""
        with self._lock:
            self._pending.saving = saving
        self._wake()

    def call(self, call: Call) -> None:
        """A client called a verb."""
        with self._lock:
            self._pending.calls.append(call)
        self._wake()

    def stop(self) -> None:
        """Ask the loop to end. Takes no lock, so that a signal handler may call it."""
        self._pending.stop = True
        self._wake()

    def reload(self, call: Call | None = None) -> None:
        """The config changed: the loop ends and restarts with the new one, then answers `call`."""
        if call is not None:
            self._reload_calls.append(call)
        self._pending.reload = True
        self._wake()

    def asked_for_reload(self) -> list[Call]:
        """Remove and return the calls that wait for the reload."""
        calls, self._reload_calls = self._reload_calls, []
        return calls

    def take(self) -> Pending:
        """Remove and return everything that was posted."""
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
