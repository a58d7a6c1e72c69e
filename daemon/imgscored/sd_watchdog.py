"""The pings to the service manager's watchdog. They stop if the loop, a thread or a worker hangs.

A worker is treated as hung if it has a task but has used no CPU time for `silence` seconds. It may
be stopped or deadlocked, or it may wait for a disk that never answers. A long training uses CPU
time, so it is not treated as hung. If the work on a file takes too long, the alarm in
imgscore/workers/worker.py ends it.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from imgscore.engine.context import WorkerPool
from imgscored.sd_notify import sd_notify, watchdog_seconds

logger = logging.getLogger(__name__)


class ServiceWatchdog:
    """The sender of the watchdog's pings. The loop calls `beat` in every round.

    If the service manager uses no watchdog, nothing is sent.
    """

    def __init__(self, pool: WorkerPool, silence: float) -> None:
        self._pool = pool
        self._silence = silence
        self._interval = watchdog_seconds()
        self._due = 0.0
        self._ran: dict[int, tuple[int, float]] = {}
        """two numbers for each worker, by pid: the worker's CPU time in ticks, and the time at
        which this CPU time last changed, in monotonic seconds"""
        self._checks: dict[str, Callable[[], bool]] = {}
        self._missing: list[str] = []

    def follow(self, name: str, is_alive: Callable[[], bool]) -> None:
        """Add a part of the daemon. The pings stop if this part is not alive.

        `name`: the name of the part in the log. `is_alive`: a function that returns whether the
        part is alive.
        """
        self._checks[name] = is_alive

    def wait(self) -> float | None:
        """Return the seconds until the next ping is due, or None if there is no watchdog."""
        return None if self._interval is None else max(0.0, self._due - time.monotonic())

    def beat(self) -> None:
        """Send a ping if it is due, if every added part is alive, and if no worker hangs."""
        now = time.monotonic()
        if self._interval is None or now < self._due:
            return
        self._due = now + self._interval
        missing = [name for name, is_alive in self._checks.items() if not is_alive()]
        missing += [f"worker {pid}" for pid in self._hung(now)]
        if not missing:
            sd_notify(WATCHDOG="1")
        elif missing != self._missing:
            logger.error("%s did not respond; systemd will restart the service", ", ".join(missing))
        self._missing = missing

    def _hung(self, now: float) -> list[int]:
        """Return the pids of workers that have a task but have used no CPU time for too long."""
        before, self._ran = self._ran, {}
        for pid in self._pool.pids():
            ticks = _processor_ticks(pid) if self._pool.tasks(pid) else -1
            known = before.get(pid)
            self._ran[pid] = known if known and known[0] == ticks >= 0 else (ticks, now)
        return [pid for pid, (_, since) in self._ran.items() if now - since >= self._silence]


def _processor_ticks(pid: int) -> int:
    """Return the CPU time of a process in clock ticks, or -1 if the process has ended.

    The CPU time includes all threads. proc(5) describes the format of the file `stat`.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
