"""Functions that several verbs use. They run a verb, wait for workers, and convert paths."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Message, Progress, R, R_co, Result

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.stage import AnyStage
    from imgscore.engine.tickets import IndexTicket, RatingTicket, ThumbnailTicket

PREFETCH = 64
"""The largest number of files that are sent to workers before the verb waits for the first answer.

With 64 files, every worker always has a next file.
"""

ROW_BATCH = 2000
"""The number of rows that are sent at once. It takes about 0.02 s."""

Ticket = TypeVar("Ticket", "IndexTicket", "RatingTicket", "ThumbnailTicket")

Steps = Generator[Message[R_co] | None, None, None]
"""The type of the generator that the function `run` of a verb returns.

The generator yields messages. It yields None if the engine has to take a step before the verb can
continue.
"""


def drive(engine: Engine, steps: Steps[R_co]) -> Iterator[Message[R_co]]:
    """Run a verb to its end in a process that is not a daemon, and yield its messages.

    A daemon does not call this function.
    """
    for message in steps:
        if message is None:
            engine.step(0.25)
        else:
            yield message


class Waiting:
    """The wait of a verb for some stages of the engine. A wait ends with an error, not never.

    `stages`: the stages that do the work. If none is given, the verb waits for all stages that have
    unfinished work. Create the object when the wait begins: the stages then try again at once,
    because the user may have solved a problem, for example by freeing disk space.
    """

    def __init__(self, engine: Engine, *stages: AnyStage) -> None:
        self._engine = engine
        self._stages = stages
        self._since = time.monotonic()
        engine.retry()

    def step(self) -> Steps[Any]:
        """Yield None once, so that the engine takes a step.

        Raises ImgscoreError if one of the stages has failed since the wait began, for example
        because the disk is full, or because no worker can be started.
        """
        if problem := self._engine.blocking(self._stages, self._since):
            raise problem
        yield None


def in_parts(what: str, rows: Sequence[R]) -> Steps[R]:
    """Yield many rows that exist already. After each ROW_BATCH rows, other calls may go on.

    `what`: the name of the work in the progress messages.
    """
    for number, row in enumerate(rows, 1):
        yield Result(row)
        if number % ROW_BATCH == 0:
            yield Progress(what, number, len(rows))


def in_turn(tickets: Iterator[Ticket]) -> Iterator[Ticket | None]:
    """Yield each ticket when it contains the answer of a worker. Keep the order of the tickets.

    Yield None if the next ticket has no answer yet: the engine then has to take a step. At most
    PREFETCH tickets are taken from `tickets` in advance.
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
    """Wait until the engine has no pending work, and yield the progress.

    `what`: the name of the work, for the progress. Raises ImgscoreError if the daemon is paused, or
    if the work has to wait to save power, for example because the computer runs on battery.
    """
    waiting = Waiting(engine)
    tally, reported, trained = Tally(), -1, None
    while not engine.idle:
        if engine.paused:
            raise ImgscoreError("the daemon is paused", "to end the pause: imgscore resume")
        if engine.saving:
            raise ImgscoreError(
                f"waiting: {engine.saving}", "to process the files now: imgscore scan"
            )
        progress = engine.trainer.progress
        if progress != trained and progress is not None:
            yield Progress("training", *progress)
        trained = progress
        pending = engine.pending
        if pending != reported:
            reported = pending
            yield tally.progress(what, pending)
        yield from waiting.step()


class Tally:
    """The numbers of finished and of all items, for work to which more can be added at any time.

    Neither number falls: if more work arrives, the number of all items grows.
    """

    def __init__(self) -> None:
        self._done = self._pending = 0

    def progress(self, what: str, pending: int) -> Progress:
        """Return the progress of the work `what`. `pending`: the present number of open items."""
        self._done += max(0, self._pending - pending)
        self._pending = pending
        return Progress(what, self._done, self._done + pending)


def rows_of(messages: Iterable[Message[R_co]]) -> list[R_co]:
    """Return the rows that a verb yielded. Progress messages are left out."""
    return [message.row for message in messages if isinstance(message, Result)]


def absolute_path(file: str) -> bytes:
    """Convert an absolute path from text to bytes, and resolve the symbolic links of its folders.

    If the file itself is a symbolic link, this link is not resolved. Raises UsageError if `file` is
    a relative path: the daemon and the client can have different working folders.
    """
    if not os.path.isabs(file):
        raise UsageError(
            f"{file}: not an absolute path", "write the absolute path, beginning with /"
        )
    folder, name = os.path.split(os.path.abspath(os.fsencode(file)))
    return os.path.join(os.path.realpath(folder), name)


def display_path(path: bytes) -> str:
    """Convert a path from bytes to text. A byte that is not UTF-8 becomes a lone surrogate."""
    return os.fsdecode(path)


class Deadline:
    """A time limit that begins when the object is created.

    `seconds`: the length of the time limit. None means that there is no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """True if the time limit is over."""
        return self._at is not None and time.monotonic() >= self._at
