"""Count failed starts of workers, recognize the end of a task, and answer for ended workers.

This module starts and ends no process.
"""

import signal
from collections import deque

from imgscore.workers.group_messages import GroupsFound
from imgscore.workers.messages import (
    Answer,
    Crashed,
    Interrupted,
    Notice,
    Planned,
    Progressed,
    Scored,
    Task,
)
from imgscore.workers.process import NoWorkerError
from imgscore.workers.queries import QueryRows

MAX_FAILED_STARTS = 3
"""The number of consecutive failed starts after which the pool starts no worker for START_SECONDS.
After three failures in a row, the cause probably lasts."""
START_SECONDS = 20.0
"""The number of seconds after which a worker is started again, if earlier starts have failed."""


class Starts:
    """The failed starts of one kind of worker."""

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0
        self._why = ""

    def failed(self, now: float, why: str) -> None:
        """Count a failed start. `now`: the time in monotonic seconds."""
        self._count, self._last, self._why = self._count + 1, now, why

    def retry(self, *, ready: bool = False) -> None:
        """Allow another start. `ready`: whether a worker of this kind was started successfully."""
        self._count = 0 if ready else min(self._count, MAX_FAILED_STARTS - 1)

    def check(self, now: float) -> None:
        """Raise NoWorkerError if too many starts have failed, and the last one a moment ago."""
        if self._count < MAX_FAILED_STARTS:
            return
        if now - self._last < START_SECONDS:
            raise NoWorkerError(
                f"no worker can be started: {self._why}", "see the log, and: imgscore doctor"
            )
        self.retry()


def ending(status: int) -> str:
    """Return how a worker with this exit status has ended, as a verb."""
    if status >= 0:
        return f"ends (exit status {status}; the log says more)"
    return f"is killed ({_signal(status)})"


def _signal(status: int) -> str:
    """Return the name of the signal in an exit status. Real-time signals have only a number."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def end_of(status: int, seconds: int) -> Crashed | Interrupted:
    """Return the answer for the task that a worker was doing when it ended.

    `status`: the exit status of the worker. `seconds`: the time limit of the task. If SIGTERM,
    SIGHUP or SIGINT ended the worker, for example at a logout, the answer is Interrupted. For all
    other causes, the answer is Crashed.
    """
    if status in (-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        return Interrupted()
    if status == -signal.SIGALRM:
        return Crashed(f"takes longer than {seconds} s")
    if status == -signal.SIGKILL:
        return Crashed("was killed, probably because memory ran out")
    if status < 0:
        return Crashed(f"crashes the decoder ({_signal(status)})")
    return Crashed(f"ends the worker (exit status {status}; the log says more)")


def interrupted(tasks: deque[Task], error: NoWorkerError) -> list[tuple[Task, Answer]]:
    """Remove all tasks from `tasks`, and return them with the answer Interrupted."""
    left: list[tuple[Task, Answer]] = [
        (task, Interrupted(error.message, error.remedy)) for task in tasks
    ]
    tasks.clear()
    return left


def is_last(answer: Answer) -> bool:
    """Return whether no other message follows `answer` for the same task."""
    match answer:
        case Notice() | Progressed():
            return False
        case Scored(last=last) | QueryRows(last=last) | Planned(last=last) | GroupsFound(last=last):
            return last
        case _:
            return True


def seconds_of(task: Task, file_seconds: int) -> int:
    """Return the time limit of a task. `file_seconds`: the limit to read one file."""
    seconds: int = getattr(task, "seconds", file_seconds)
    return seconds
