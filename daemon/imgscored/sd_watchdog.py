"""The service manager's watchdog: fed as long as the loop, the threads and the workers live.

A worker with work that has not run for a moment in `silence` seconds hangs: it is stopped, in a
deadlock, or waits for a disk that never answers. One that runs does not hang, however long its
training takes; the alarm in imgscore/workers/worker.py ends a file that takes too long.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from imgscore.workers.pool import Pool
from imgscored.sd_notify import sd_notify, watchdog_seconds

logger = logging.getLogger(__name__)


class ServiceWatchdog:
    """The loop calls `beat` on every round. Without a watchdog nothing is looked at."""

    def __init__(self, pool: Pool, silence: float) -> None:
        self._pool = pool
        self._silence = silence
        self._every = watchdog_seconds()
        self._due = 0.0
        self._ran: dict[int, tuple[int, float]] = {}
        """worker → its processor time, and when that last changed"""
        self._signs: dict[str, Callable[[], bool]] = {}
        self._missing: list[str] = []

    def follow(self, name: str, lives: Callable[[], bool]) -> None:
        """This has to live, too."""
        self._signs[name] = lives

    def wait(self) -> float | None:
        """Seconds until the next beat; None where nobody listens."""
        return None if self._every is None else max(0.0, self._due - time.monotonic())

    def beat(self) -> None:
        """Feed the watchdog, if it is time and all that is followed lives."""
        now = time.monotonic()
        if self._every is None or now < self._due:
            return
        self._due = now + self._every
        missing = [name for name, lives in self._signs.items() if not lives()]
        missing += [f"worker {pid}" for pid in self._hung(now)]
        if not missing:
            sd_notify(WATCHDOG="1")
        elif missing != self._missing:
            logger.error("%s: no sign of life; the service will be restarted", ", ".join(missing))
        self._missing = missing

    def _hung(self, now: float) -> list[int]:
        """Workers that have work and do not run."""
        before, self._ran = self._ran, {}
        for pid in self._pool.pids():
            ticks = _processor_ticks(pid) if self._pool.tasks(pid) else -1
            known = before.get(pid)
            self._ran[pid] = known if known and known[0] == ticks >= 0 else (ticks, now)
        return [pid for pid, (_, since) in self._ran.items() if now - since >= self._silence]


def _processor_ticks(pid: int) -> int:
    """The time that a process has run, all its threads together, in clock ticks (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
