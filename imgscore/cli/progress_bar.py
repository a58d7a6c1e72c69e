"""Shows the progress of work on stderr: a bar on a terminal, otherwise lines of text."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from imgscore.escape import printable
from imgscore.messages import Progress

if TYPE_CHECKING:
    import rich.progress

PLAIN_SECONDS = 5.0
"""Seconds between two lines of progress if stderr is not a terminal."""
SILENT_SECONDS = 1.0
"""Seconds without a message after which a terminal shows a bar without a measure."""
START_SECONDS = 0.5
"""Seconds after the beginning, or after a printed result, in which no bar is shown. Without this
limit, a bar would flicker between results that follow each other quickly."""
CHECK_SECONDS = 0.25
"""Seconds between two checks whether a bar must be shown."""


def duration(seconds: float) -> str:
    """Return a time in words, such as "2 h 5 min". `seconds`: the length of the time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


class ProgressBar:
    """The progress of some work. A context manager: the bar disappears at the end of the block.

    On a terminal, a bar shows the progress, the rate and the remaining time. While the work reports
    no progress for more than a second, the bar moves and shows the time since the beginning. If
    stderr is no terminal, the progress is printed as lines of text.

    `what`: the name of the work, for the time without a report.
    """

    def __init__(self, what: str = "working") -> None:
        self._what = what
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._is_measured = False
        self._latest: Progress | None = None
        self._printed: Progress | None = None
        self._printed_at = self._paused_at = self._began = time.monotonic()
        self._first: tuple[str, int, float] | None = None
        """the name of the work, the number of finished items when the work was first shown, and the
        time"""
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def show(self, progress: Progress) -> None:
        """Show the progress."""
        if self._first is None or self._first[0] != progress.what:
            self._first = progress.what, progress.done, time.monotonic()
        if not sys.stderr.isatty():
            if time.monotonic() - self._printed_at >= PLAIN_SECONDS:
                self._printed_at = time.monotonic()
                sys.stderr.write(printable(self._line(progress)) + "\n")
            return
        with self._lock:
            self._what = progress.what
            self._latest = progress if progress.total > 1 else None  # one step is no measure
            if self._bar is not None and self._is_measured != (self._latest is not None):
                self._stop()
                self._start()
            elif self._bar is not None:
                self._update()

    def _line(self, progress: Progress) -> str:
        """Return the line that is printed if stderr is no terminal."""
        done, total = progress.done, progress.total
        if not total:
            return f"{progress.what}: {done}"
        before, self._printed = self._printed, progress
        same_work = before is not None and before.what == progress.what
        arrived = max(0, total - before.total) if before is not None and same_work else 0
        more = f"; {arrived} more arrived" if arrived else ""
        return f"{progress.what}: {done} of {total} done{self._left(progress)}{more}"

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
        if sys.stderr.isatty():
            with self._lock:
                self._paused_at = time.monotonic()
                if sys.stdout.isatty():
                    self._stop()

    def _start(self) -> None:
        self._is_measured = self._latest is not None
        self._bar = _measured_bar() if self._is_measured else _moving_bar()
        elapsed = time.monotonic() - self._began
        self._task = self._bar.add_task(self._what, total=None, elapsed_before=elapsed)
        self._update()
        self._bar.start()

    def _update(self) -> None:
        if self._bar is not None and self._latest is not None:
            done, total = self._latest.done, self._latest.total
            self._bar.update(self._task, description=self._what, completed=done, total=total)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._is_measured = None, False

    def _watch(self) -> None:
        """Start a bar when no result was printed for a while."""
        while not self._ended.wait(CHECK_SECONDS):
            with self._lock:
                silent = time.monotonic() - self._paused_at
                least = SILENT_SECONDS if self._latest is None else START_SECONDS
                if self._bar is None and silent >= least and not self._ended.is_set():
                    self._start()

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            threading.Thread(target=self._watch, name="progress", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        with self._lock:
            self._stop()


def _moving_bar() -> rich.progress.Progress:
    """Return a bar that moves and shows the time since the beginning of the work."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    class Elapsed(TextColumn):
        """The column that shows the time since the beginning of the work."""

        def render(self, task: rich.progress.Task) -> Any:
            before = float(task.fields["elapsed_before"])
            return Text(duration(before + (task.elapsed or 0.0)))

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Elapsed(""),
        console=Console(stderr=True),
        transient=True,
        # rich 13.9 puts objects that are no terminals in place of stdout and stderr.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _measured_bar() -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        """The column of the bar that shows the number of items per second."""

        def render(self, task: rich.progress.Task) -> Any:
            return Text(f"{task.speed:.0f}/s" if task.speed else "")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(""),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # rich 13.9 puts objects that are no terminals in place of stdout and stderr.
        redirect_stdout=False,
        redirect_stderr=False,
    )
