"""The parts of verbs: the drive loop, waiting for workers, and paths in requests."""

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
"""Files handed to workers before the verb waits for the first of them: enough to keep them busy."""

Ticket = TypeVar("Ticket", "IndexTicket", "ThumbnailTicket")

Steps = Generator[Message[R_co] | None, None, None]
"""The messages that a verb's `run` yields; None means that the engine has to take a step first."""


def drive(engine: Engine, steps: Steps[R_co]) -> Iterator[Message[R_co]]:
    """Run a verb to its end on an engine that no daemon drives.

    Raises ImgscoreError where a daemon would try again later, as on a full disk.
    """
    for message in steps:
        if message is None:
            engine.step(0.25)
            for about, problem in engine.ctx.problems.items():
                kind = StoreError if about in ("store", "disk") else ImgscoreError
                raise kind(problem, "try again when this is solved")
        else:
            yield message


def a_step(engine: Engine) -> Steps[Any]:
    """Let the engine take a step. Raises StoreError while it cannot work, as on a full disk."""
    if engine.ctx.unavailable:
        engine.retry()  # the cause may be gone by now
        yield None
        if problem := engine.ctx.unavailable:
            raise StoreError(problem, "try again when this is solved")
        return
    yield None


def in_turn(tickets: Iterator[Ticket]) -> Iterator[Ticket | None]:
    """Yield the tickets in their order, each when it has an answer; None: take a step.

    `tickets` is read PREFETCH ahead.
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
    """Yield progress until nothing is pending. Raises ImgscoreError during a pause."""
    total, reported = 0, -1
    while not engine.idle:
        if engine.paused:
            raise ImgscoreError("the daemon is paused", "go on with: imgscore resume")
        if engine.saving:
            raise ImgscoreError(f"waiting: {engine.saving}", "work now with: imgscore scan")
        pending = engine.pending
        total = max(total, pending)
        if pending != reported:
            reported = pending
            yield Progress(what, total - pending, total)
        yield None


def rows_of(messages: Iterable[Message[R_co]]) -> list[R_co]:
    """The rows of a verb's messages."""
    return [message.row for message in messages if isinstance(message, Result)]


def absolute_path(file: str) -> bytes:
    """An absolute path in bytes. Links in its folders are resolved; the file may be a link.

    Raises UsageError for a relative path: a daemon has a working folder of its own.
    """
    if not os.path.isabs(file):
        raise UsageError(f"{file}: not an absolute path", "write the path from / on")
    folder, name = os.path.split(os.path.abspath(os.fsencode(file)))
    return os.path.join(os.path.realpath(folder), name)


def display_path(path: bytes) -> str:
    """A path as text; bytes that are not UTF-8 become lone surrogates."""
    return os.fsdecode(path)


class Deadline:
    """A time that is `seconds` from now; None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._at is not None and time.monotonic() >= self._at
