"""What verbs print: results on stdout, all else on stderr; JSON lines with `--json`.

File names are somebody else's text: control characters in them never reach the terminal.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from imgscore.errors import ImgscoreError
from imgscore.escape import printable
from imgscore.messages import Message, Progress, Result
from imgscore.verbs.base import Row

if TYPE_CHECKING:
    import rich.progress

__all__ = ("complain", "printable", "say", "show", "to_json")

# On a pipe, progress is a plain line, at most this often.
PLAIN_SECONDS = 5.0


def show(
    messages: Iterable[Message[Any]],
    human: Callable[[Any], str | None],
    *,
    as_json: bool,
    pictures: Callable[[Row], str] | None = None,
    nothing: str = "",
) -> int:
    """Print a verb's messages; the exit code: 1 where a row has an error, else 0.

    `pictures`: what the terminal draws under a row's text; all else is text, and cannot draw.
    `nothing`: what is said where there is no row.
    """
    failed, empty = False, True
    with _Bar() as bar:
        for message in messages:
            match message:
                case Progress():
                    bar.show(message)
                case Result(row):
                    failed, empty = failed or _error(row) is not None, False
                    text = to_json(row) if as_json else human(row)
                    if text is not None:
                        bar.pause()
                        sys.stdout.write(printable(text, keep="\n") + "\n")
                    if pictures is not None:
                        sys.stdout.write(pictures(row))
    sys.stdout.flush()
    if empty and nothing and not as_json:
        say(nothing)
    return int(failed)


def _error(row: Row | msgspec.Struct) -> object:
    return row.get("error") if isinstance(row, dict) else getattr(row, "error", None)


def to_json(row: Row | msgspec.Struct) -> str:
    """One line; a name that is no UTF-8 keeps its bytes as lone surrogates, escaped."""
    return json.dumps(msgspec.to_builtins(row), allow_nan=False)


def say(text: str) -> None:
    """A line for the user that is not a result."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def complain(error: ImgscoreError, *, as_json: bool) -> None:
    """An error: what, and what to do."""
    if as_json:
        say(to_json({"error": error.message, "remedy": error.remedy}))
        return
    say(f"imgscore: {printable(error.message)}")
    if error.remedy:
        say(f"  what to do: {printable(error.remedy)}")


class _Bar:
    """A progress bar with rate and time left on a terminal; plain lines elsewhere."""

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._said = time.monotonic()

    def show(self, progress: Progress) -> None:
        if not sys.stderr.isatty():
            if time.monotonic() - self._said >= PLAIN_SECONDS:
                self._said = time.monotonic()
                say(f"{progress.what}: {progress.done} of {progress.total}")
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

    def pause(self) -> None:
        """A result is about to be printed: leave the line to it."""
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
        """Files a second."""

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
