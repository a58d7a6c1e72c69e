"""The functions that several verbs use: to run a verb, to wait for workers, to check paths."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.messages import Message, Progress, R_co, Result

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket, ThumbnailTicket

PREFETCH = 64
"""The number of files that are sent to workers before the verb waits for the first answer.

With this number, no worker waits for work.
"""

Ticket = TypeVar("Ticket", "IndexTicket", "ThumbnailTicket")

Steps = Generator[Message[R_co] | None, None, None]
"""The generator that a verb's `run` returns. It yields messages.

It yields None if the engine has to take a step before the verb can continue.
"""


def drive(engine: Engine, steps: Steps[R_co]) -> Iterator[Message[R_co]]:
    """Run a verb to its end in a process that is not a daemon, and yield its messages.

    Raises ImgscoreError if the engine has a problem, such as a full disk. A daemon would try again
    later in this case.
    """
    for message in steps:
        if message is None:
            engine.step(0.25)
            for about, problem in engine.ctx.problems.items():
                kind = StoreError if about in ("store", "disk") else ImgscoreError
                raise kind(problem, "solve this problem, then run the command again")
        else:
            yield message


def a_step(engine: Engine) -> Steps[Any]:
    """Yield None once, so that the engine takes a step.

    Raises StoreError if the engine cannot use the store, for example because the disk is full.
    """
    if engine.ctx.unavailable:
        engine.retry()  # the problem may be solved now
        yield None
        if problem := engine.ctx.unavailable:
            raise StoreError(problem, "solve this problem, then run the command again")
        return
    yield None


def in_turn(tickets: Iterator[Ticket]) -> Iterator[Ticket | None]:
    """Yield the tickets in their order. Each ticket is yielded when it has an answer.

    Yield None if the engine has to take a step first. At most PREFETCH tickets are taken from
    `tickets` before the first one has an answer.
    """
    waiting = deque(islice(tickets, PREFETCH))
    while waiting:
        if waiting[0].answer is None:
            yield None
        else:
            answered = waiting.popleft()
            waiting.extend(islice(tickets, 1))
            yield answered


def until_idle(engine: Engine, what: str) -> Steps[Any]:
    """Yield the progress until nothing is pending.

    `what`: the name of the work. Raises ImgscoreError if the daemon is paused, or if the work waits
    for power.
    """
    total, reported = 0, -1
    while not engine.idle:
        if engine.paused:
            raise ImgscoreError("the daemon is paused", "to end the pause: imgscore resume")
        if engine.saving:
            raise ImgscoreError(
                f"waiting: {engine.saving}", "to process the files now: imgscore scan"
            )
        pending = engine.pending
        total = max(total, pending)
        if pending != reported:
            reported = pending
            yield Progress(what, total - pending, total)
        yield None


def rows_of(messages: Iterable[Message[R_co]]) -> list[R_co]:
    """Return the rows in the messages of a verb."""
    return [message.row for message in messages if isinstance(message, Result)]


def absolute_path(file: str) -> bytes:
    """Return an absolute path as bytes.

    Symbolic links in the folders of the path are resolved. A symbolic link at the end of the path
    is kept. Raises UsageError if `file` is a relative path, because a daemon has another working
    folder than the client.
    """
    if not os.path.isabs(file):
        raise UsageError(
            f"{file}: not an absolute path", "write the absolute path, beginning with /"
        )
    folder, name = os.path.split(os.path.abspath(os.fsencode(file)))
    return os.path.join(os.path.realpath(folder), name)


def display_path(path: bytes) -> str:
    """Return a path as text. A byte that is not UTF-8 becomes a lone surrogate."""
    return os.fsdecode(path)


class Deadline:
    """The end of a time limit of `seconds`, counted from now. None means no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """True if the time limit has passed."""
        return self._at is not None and time.monotonic() >= self._at
