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
CHECK_SECONDS = 0.25
"""Seconds between two checks whether the work has been silent for SILENT_SECONDS."""


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
        self._printed_at = self._reported_at = self._began = time.monotonic()
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
                text = f"{progress.what}: {progress.done} of {progress.total}{self._left(progress)}"
                sys.stderr.write(printable(text) + "\n")
            return
        with self._lock:
            self._reported_at = time.monotonic()
            if progress.total <= 1:  # one step is no measure
                self._what = progress.what
                if self._is_measured:
                    self._stop()
                return
            if not self._is_measured:
                self._stop()
                self._start(_measured_bar(), measured=True)
            assert self._bar is not None
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
        if sys.stderr.isatty():
            with self._lock:
                self._reported_at = time.monotonic()
                if sys.stdout.isatty():
                    self._stop()

    def _start(self, bar: rich.progress.Progress, *, measured: bool) -> None:
        self._bar, self._is_measured = bar, measured
        elapsed = time.monotonic() - self._began
        self._task = bar.add_task(self._what, total=None, elapsed_before=elapsed)
        bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._is_measured = None, False

    def _watch(self) -> None:
        """Start a bar without a measure when the work has been silent for SILENT_SECONDS."""
        while not self._ended.wait(CHECK_SECONDS):
            with self._lock:
                silent = time.monotonic() - self._reported_at
                if self._bar is None and silent >= SILENT_SECONDS and not self._ended.is_set():
                    self._start(_moving_bar(), measured=False)

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
    )
