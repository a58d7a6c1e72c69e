"""Start the daemon's program again in the same process, to return memory after much work.

Python returns a block of memory to the kernel only if no object in it is in use. After 100,000
files came and went, an idle daemon kept 45 MB that it did not use. A new start needs half a second.
The process id, the lock of the store and the limits of the process stay.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from imgscore.store.lock import StoreLock
from imgscore.system.upgrade import program_files

logger = logging.getLogger(__name__)

SECONDS = 600.0
"""The time without work after which the program starts again, in seconds. It is long, so that no
command of a user who works with the images waits for the start."""
MIN_GROWTH = 8 << 20
"""The smallest growth of the private memory after which the program starts again, in bytes. A first
scan of 100,000 known files adds 3 MB, which is no reason for a new start."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that are blocked during the start. A program that has no handlers yet would end."""
_DROPPED = ("--startup-descriptor", "--lock-descriptor")
_PAGE = os.sysconf("SC_PAGESIZE")


def private_bytes() -> int:
    """Return the resident memory of this process without the pages of files, in bytes."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * _PAGE


class Renewal:
    """Decides when the program starts again."""

    def __init__(self, seconds: float, growth: int, *, renewed: bool) -> None:
        """`seconds`, `growth`: see SECONDS and MIN_GROWTH. `renewed`: whether this is a new start.

        Growth is measured from the memory at the start. After a new start, it is measured from the
        memory after the first scan: a large library would otherwise cause one start after the
        other.
        """
        self._seconds = seconds
        self._growth = growth
        self._limit = None if renewed else private_bytes() + growth
        self._due: float | None = None

    def postpone(self) -> None:
        """Cancel a due start, because the daemon has work. `released` can set the next one."""
        self._due = None

    def released(self, now: float) -> None:
        """Measure the memory after unused memory was returned. `now`: in monotonic seconds."""
        memory = private_bytes()
        if self._limit is None:
            self._limit = memory + self._growth
        elif memory >= self._limit and not program_files.are_replaced:
            # After an upgrade, only the user starts the new version.
            self._due = now + self._seconds

    def is_due(self, now: float) -> bool:
        """Return whether the program must start again now."""
        return self._due is not None and now >= self._due

    @property
    def due_at(self) -> float | None:
        """The time of the new start, in monotonic seconds; None if there is no reason for one."""
        return self._due


def arguments(original: Sequence[str], descriptor: int) -> list[str]:
    """Return the command line of the new start. `original`: that of this one, from sys.orig_argv.

    `descriptor`: the descriptor of the lock.
    """
    kept: list[str] = []
    rest = iter(original)
    for word in rest:
        if word in _DROPPED:
            next(rest, None)
        elif word.partition("=")[0] not in _DROPPED:
            kept.append(word)
    return [*kept, "--lock-descriptor", str(descriptor)]


def start_again(lock: StoreLock, is_needed: Callable[[], bool]) -> None:
    """Replace the program by a new start of itself. Return if this is impossible, or `is_needed`.

    `is_needed`: returns whether this program has work, such as a signal that requests a stop.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        if is_needed():
            return
        logger.info("starting again, to return %d MB to the system", private_bytes() >> 20)
        command = arguments([sys.executable, *sys.orig_argv[1:]], lock.hand_over())
        os.execv(sys.executable, command)
    except OSError as error:
        logger.warning("this program cannot start again: %s", error.strerror)
        lock.take_back()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
