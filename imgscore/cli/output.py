"""Prints results to stdout, and all other text to stderr.

With `--json`, each result and each error is one line of JSON.

Control characters are escaped, because an attacker may have chosen the name of a file.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from imgscore.cli.path_text import shortened
from imgscore.errors import ImgscoreError
from imgscore.escape import printable
from imgscore.messages import Message, Progress, R, Result

if TYPE_CHECKING:
    import rich.progress

__all__ = ("duration", "print_error", "print_messages", "print_note", "printable", "to_json")

PLAIN_SECONDS = 5.0
"""Seconds between two lines of progress if stderr is not a terminal."""


def print_messages(
    messages: Iterable[Message[R]],
    human: Callable[[R], str | None],
    *,
    as_json: bool,
    images: Callable[[R], str] | None = None,
    nothing: str = "",
) -> int:
    """Print the rows and the progress of a verb, and return the exit code.

    The exit code is 1 if a row has an error, otherwise 0.

    `human`: a function that returns the text of a row, or None to print nothing.
    `images`: a function that returns the escape sequences that draw the images of a row. They are
    printed below the text of the row, and are not escaped.
    `nothing`: the text to print if there are no rows.
    """
    failed, empty = False, True
    with _Bar() as bar:
        for message in messages:
            match message:
                case Progress():
                    bar.show(message)
                case Result(row):
                    failed, empty = failed or getattr(row, "error", None) is not None, False
                    text = to_json(row) if as_json else human(row)
                    if text is not None:
                        bar.pause()
                        sys.stdout.write(printable(text, keep="\n") + "\n")
                    if images is not None:
                        sys.stdout.write(images(row))
    sys.stdout.flush()
    if empty and nothing and not as_json:
        print_note(nothing)
    return int(failed)


def to_json(row: object) -> str:
    """Return a row as one line of JSON.

    A byte of a file name that is not UTF-8 is written as a lone surrogate, such as "\\udcff".
    """
    return json.dumps(msgspec.to_builtins(row), allow_nan=False)


def print_note(text: str) -> None:
    """Print a text to stderr, because stdout is only for results."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def print_error(error: ImgscoreError, *, as_json: bool) -> None:
    """Print an error and its remedy to stderr."""
    if as_json:
        print_note(to_json({"error": error.message, "remedy": error.remedy}))
        return
    print_note(f"imgscore: {shortened(error.message)}")
    if error.remedy:
        print_note(f"  what to do: {shortened(error.remedy)}")


def duration(seconds: float) -> str:
    """Return a time in words, such as "2 h 5 min". `seconds`: the length of the time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


class _Bar:
    """The progress of a verb on stderr.

    On a terminal, a bar shows the progress, the rate and the remaining time. Otherwise the
    progress is printed as lines of text.
    """

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._printed_at = time.monotonic()
        self._first: tuple[str, int, float] | None = None
        """the name of the work, the number of finished items when the work was first shown, and the
        time"""

    def show(self, progress: Progress) -> None:
        if self._first is None or self._first[0] != progress.what:
            self._first = progress.what, progress.done, time.monotonic()
        if not sys.stderr.isatty():
            if time.monotonic() - self._printed_at >= PLAIN_SECONDS:
                self._printed_at = time.monotonic()
                print_note(
                    f"{progress.what}: {progress.done} of {progress.total}{self._left(progress)}"
                )
            return
        if self._bar is None:
            self._bar = _rich_bar()
            self._task = self._bar.add_task("")
            self._bar.start()
        self._bar.update(
            self._task,
            description=progress.what,
            completed=progress.done,
            total=progress.total,
        )

    def _left(self, progress: Progress) -> str:
        """Return a text with the estimated time until the work ends, or "" if it is unknown."""
        if self._first is None or self._first[0] != progress.what:
            return ""
        _, done, began = self._first
        if progress.done <= done:
            return ""
        seconds = (time.monotonic() - began) / (progress.done - done)
        return f", about {duration(seconds * (progress.total - progress.done))} left"

    def pause(self) -> None:
        """Remove the bar from the terminal, so that a result can be printed there."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _rich_bar() -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    class Rate(TextColumn):
        """The column of the bar that shows the number of items per second."""

        def render(self, task: rich.progress.Task) -> Any:
            from rich.text import Text

            return Text(f"{task.speed:.0f}/s" if task.speed else "")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(""),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
