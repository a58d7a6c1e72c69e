"""The mailbox: the hints, calls and commands for the loop. Threads share no other state."""

import os
import queue
import select
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from imgscore.protocol import Line
from imgscore.system.descriptors import wait_readable


class Disconnected:
    """The type of DISCONNECTED."""


END = None
"""The last item in the `answers` of a call."""
DISCONNECTED: Final = Disconnected()
"""The item in the `answers` of a call whose client no longer waits."""
FOLLOWS = "watch-log"
"""The verb that runs until its client disconnects. It sends nothing while there are no events."""


@dataclass
class Call:
    """A client's call of a verb. A verb is a command of the control protocol, such as `status`.

    `answers` receives the lines of the answer, then END. DISCONNECTED may come at any time.
    """

    verb: str
    arguments: dict[str, Any]
    answers: "queue.SimpleQueue[Line | Disconnected | None]" = field(
        default_factory=queue.SimpleQueue
    )
    cancelled: bool = False
    works_on_battery: bool = False
    """whether the engine does all work while this verb runs, even if power must be saved. The
    value is set when the verb begins."""


@dataclass
class Pending:
    """Everything that was posted after the last `take`."""

    files: set[bytes] = field(default_factory=set)
    dates: set[bytes] = field(default_factory=set)
    """the files whose date may have changed, by imgscore itself or by another program"""
    trees: set[bytes] = field(default_factory=set)
    everything: bool = False
    calls: list[Call] = field(default_factory=list)
    stop: bool = False
    reload: bool = False
    jobs: set[str] = field(default_factory=set)
    saving: str | None = None
    """the reason to save power, such as "on battery". "" means that no power must be saved. None
    means that nothing was posted."""


class Mailbox:
    """The mailbox of the loop. Any thread may post messages. Only the loop's thread takes them.

    `descriptor`: a file descriptor that is readable if the mailbox contains messages.
    """

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._pending = Pending()
        self._reload_calls: list[Call] = []

    def hint(self, path: bytes) -> None:
        """Add a hint to the mailbox: the file at a path may have changed."""
        with self._lock:
            self._pending.files.add(path)
        self._wake()

    def hint_dates(self, paths: Iterable[bytes]) -> None:
        """Add hints to the mailbox: the dates of the files at these paths may have changed."""
        with self._lock:
            known = bool(self._pending.dates)
            self._pending.dates.update(paths)
        if not known:  # The first hint has woken the loop.
            self._wake()

    def hint_tree(self, root: bytes) -> None:
        """Add a hint to the mailbox: any file under a folder may have changed."""
        with self._lock:
            self._pending.trees.add(root)
        self._wake()

    def hint_all(self) -> None:
        """Add a hint to the mailbox: any watched file may have changed.

        This is needed if events were lost, or if a rescan is due.
        """
        with self._lock:
            self._pending.everything = True
        self._wake()

    def job(self, name: str) -> None:
        """Put a maintenance job into the mailbox. The job is due now."""
        with self._lock:
            self._pending.jobs.add(name)
        self._wake()

    def save_power(self, saving: str) -> None:
        """Put the reason to save power into the mailbox.

        `saving`: the reason, such as "on battery". "" means that no power must be saved.
        """
        with self._lock:
            self._pending.saving = saving
        self._wake()

    def call(self, call: Call) -> None:
        """Put a client's call into the mailbox."""
        with self._lock:
            self._pending.calls.append(call)
        self._wake()

    def stop(self) -> None:
        """Ask the loop to end. This method takes no lock, so a signal handler may call it."""
        self._pending.stop = True
        self._wake()

    def reload(self, call: Call | None = None) -> None:
        """Ask the loop to end, because the config has changed.

        A new loop then starts with the new config and answers `call`.
        """
        if call is not None:
            self._reload_calls.append(call)
        self._pending.reload = True
        self._wake()

    def asked_for_reload(self) -> list[Call]:
        """Remove and return the calls of `reload` that the new loop must answer."""
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

    @property
    def is_empty(self) -> bool:
        """Whether nothing was posted since the last `take`."""
        return not wait_readable(self.descriptor, 0.0)

    def wait(self, seconds: float) -> None:
        """Wait until something is posted, but at most `seconds`. Nothing is removed."""
        select.select([self.descriptor], [], [], seconds)

    def _wake(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
