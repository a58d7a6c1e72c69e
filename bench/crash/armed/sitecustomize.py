"""Arms one failpoint in each Python process that has this folder on PYTHONPATH.

With `STOP_AT="before commit:3"`, a process gets SIGKILL when it reaches "before commit" for the
third time. Python imports sitecustomize at its start, so imgscore itself needs no switch.
"""

import os
import signal
import sys

from imgscore import failpoints


class Stop:
    """Sends SIGKILL when the process reaches `name` for the `number`th time."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._left = number
        # A power failure ends both processes. The parent could still write, so it dies first.
        is_worker = "imgscore.workers.worker" in sys.orig_argv
        self._processes = [*([os.getppid()] if is_worker else []), os.getpid()]

    def __call__(self, name: str) -> None:
        """The process has reached the failpoint `name`."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            for process in self._processes:
                os.kill(process, signal.SIGKILL)


name, _, number = os.environ["STOP_AT"].partition(":")
failpoints.arm(Stop(name, int(number)))
