"""What verbs are made of: messages, the registry, and the drive loop."""

from __future__ import annotations

import importlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.messages import Message, Progress, Result

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket, ThumbnailTicket

# Verbs that ask for work now, which on battery would wait.
WORK_NOW = frozenset({"heads", "scan", "train"})

# Files that workers are asked about before the first of them is waited for.
PREFETCH = 64

Asked = TypeVar("Asked", "IndexTicket", "ThumbnailTicket")
Row = dict[str, Any]
"""One result, as `--json` prints it."""

NAMES = (
    "db", "embed", "evaluate", "explain", "heads", "history", "import", "import-labels", "label",
    "model", "next", "order", "pause", "report", "restore-times", "resume", "review", "scan",
    "score", "status", "suspects", "thumbnails", "train", "undo", "wait", "watch-log",
)  # fmt: skip


Steps = Generator[Message | None, None, None]
Run = Callable[["Engine", Any], Steps]


def find(name: str, arguments: Row) -> tuple[Run, Any]:
    """The verb `name` and its checked request. Raises UsageError."""
    if name not in NAMES:
        raise UsageError(f"there is no verb {name!r}", "see: imgscore --help")
    file = "import_" if name == "import" else name.replace("-", "_")
    module = importlib.import_module(f"imgscore.verbs.{file}")
    try:
        return module.run, msgspec.convert(arguments, module.Request)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {error}", f"see: imgscore {name} --help") from None


def drive(engine: Engine, steps: Steps) -> Iterator[Message]:
    """Run a verb to its end on an engine that nobody else drives.

    Raises ImgscoreError where a daemon would wait for better times, as on a full disk.
    """
    for message in steps:
        if message is None:
            engine.step(0.25)
            for about, problem in engine.ctx.problems.items():
                kind = StoreError if about in ("store", "disk") else ImgscoreError
                raise kind(problem, "try again then")
        else:
            yield message


def a_step(engine: Engine) -> Steps:
    """Let the work go on. Raises StoreError where the store takes nothing, as on a full disk."""
    if engine.ctx.unavailable:
        engine.retry()  # it may have been mended since
        yield None
        if problem := engine.ctx.unavailable:
            raise StoreError(problem, "try again then")
        return
    yield None


def in_turn(tickets: Iterator[Asked]) -> Iterator[Asked | None]:
    """Tickets in their order, each once it is answered; None means "take a step".

    `tickets` is read as far ahead as keeps the workers busy.
    """
    waiting = deque(islice(tickets, PREFETCH))
    while waiting:
        if waiting[0].answer is None:
            yield None
        else:
            answered = waiting.popleft()
            waiting.extend(islice(tickets, 1))
            yield answered


def until_idle(engine: Engine, what: str) -> Steps:
    """Yield progress until nothing is pending. Raises ImgscoreError during a pause."""
    total, said = 0, -1
    while not engine.idle:
        if engine.paused:
            raise ImgscoreError("the daemon is paused", "go on with: imgscore resume")
        if engine.saving:
            raise ImgscoreError(f"waiting: {engine.saving}", "work now with: imgscore scan")
        pending = engine.pending
        total = max(total, pending)
        if pending != said:
            said = pending
            yield Progress(what, total - pending, total)
        yield None


def rows_of(messages: Iterable[Message]) -> list[Row]:
    """The rows of a verb's messages."""
    return [message.row for message in messages if isinstance(message, Result)]


def absolute_path(file: str) -> bytes:
    """A whole path in bytes: links above the file are resolved, the file itself is not.

    Raises UsageError for one that depends on a working folder: a daemon has its own.
    """
    if not os.path.isabs(file):
        raise UsageError(f"{file}: not a whole path", "give it from / on")
    folder, name = os.path.split(os.path.abspath(os.fsencode(file)))
    return os.path.join(os.path.realpath(folder), name)


def display_path(path: bytes) -> str:
    """A path as text; bytes that are no UTF-8 survive as surrogates."""
    return os.fsdecode(path)


class Deadline:
    """Seconds from now; None never ends."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._at is not None and time.monotonic() >= self._at
