"""The output of `status --watch`: a live view on a terminal, or one line per status in a pipe."""

import time
from collections import deque

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imgscore.cli.formatting import event_line, remarks, state_text
from imgscore.cli.output import duration, printable
from imgscore.cli.path_text import short, shortened
from imgscore.events import Event
from imgscore.verbs.status import Response as Status

RATE_SECONDS = 10.0
"""The time over which the rate is averaged, in seconds.

With a shorter time, the rate would jump. With a longer time, the rate would change too late.
"""
MAX_FAILED = 5
"""The largest number of failed files that the live view lists."""
STATES = {"running": "bold green", "paused": "bold yellow", "offline": "bold red"}


class Pace:
    """The number of files indexed per second, and the progress of the queue of pending items.

    Both are computed from the statuses that were passed to `add`.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self.total = 0
        """the largest number of pending items since this number was last 0"""
        self.pending = 0

    def add(self, row: Status, now: float) -> None:
        """Add a status. `now`: the time of the status, in seconds of the monotonic clock."""
        indexed = row.looked
        if self._samples and indexed < self._samples[-1][1]:
            self._samples.clear()  # the daemon was restarted, and now counts from 0 again
        self._samples.append((now, indexed))
        while self._samples[0][0] < now - RATE_SECONDS:
            self._samples.popleft()
        self.pending = row.pending
        self.total = max(self.total, self.pending) if self.pending else 0

    @property
    def rate(self) -> float:
        """The number of files that were indexed per second in the last RATE_SECONDS."""
        (begin, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - begin) if end > begin else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The estimated time until no item is pending, in seconds.

        None if no item is pending, or if the rate is 0.
        """
        return self.pending / self.rate if self.pending and self.rate else None


def live(console: Console) -> Live:
    """Return a live view that covers the whole terminal.

    When the view ends, the terminal shows its earlier contents again.
    """
    return Live(console=console, screen=True, refresh_per_second=4)


def line(row: Status, pace: Pace) -> str:
    """Convert a status to one line of text, for a stdout that is not a terminal."""
    files = sum(watch.files for watch in row.watches)
    parts = [state_text(row), f"{files} images", *_queue(pace)]
    if row.waiting:
        parts.append(f"waiting: {row.waiting}")
    if row.failed:
        parts.append(f"{len(row.failed)} failed")
    parts += [f"attention: {shortened(problem)}" for problem in row.troubles]
    return f"{time.strftime('%H:%M:%S')}  {', '.join(parts)}"


def view(row: Status, pace: Pace) -> RenderableType:
    """Return the contents of the live view for a status."""
    parts: list[RenderableType] = [_title(row), _bar(pace), _folders(row), *_attention(row)]
    if row.events:
        parts += [Text("\nlast events, newest first", style="bold")]
        parts += [
            Text(event_line(_short(event, row)), no_wrap=True, overflow="ellipsis")
            for event in reversed(row.events)
        ]
    parts.append(Text("\nCtrl-C ends this view. The daemon continues to run.", style="dim"))
    return Group(*parts)


def _title(row: Status) -> Text:
    state = (state_text(row), STATES[row.state])
    facts = [f"head {row.head or 'none yet'}", row.embedder]
    if row.pid is not None:
        facts.append(f"{row.rss_bytes / 1e6:.0f} MB")
        facts.append(f"{row.workers} workers")
    return Text.assemble(("imgscore ", "bold"), state, f"  {' · '.join(facts)}\n")


def _queue(pace: Pace) -> list[str]:
    if not pace.pending:
        return ["nothing pending"]
    parts = [f"{pace.pending} pending"]
    if pace.rate:
        parts.append(f"{pace.rate:.0f}/s")
    if pace.seconds_left is not None:
        parts.append(f"{duration(pace.seconds_left)} left")
    return parts


def _bar(pace: Pace) -> RenderableType:
    if not pace.pending:
        return Text("nothing pending\n", style="dim")
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=pace.total, completed=pace.total - pace.pending, width=30)
    grid.add_row(bar, Text(", ".join(_queue(pace)) + "\n"))
    return grid


def _folders(row: Status) -> RenderableType:
    if not row.watches:
        return Text("no folder is watched yet; add a folder: imgscore init INBOX")
    table = Table(box=None, pad_edge=False)
    table.add_column("folder", overflow="fold")
    graded = list(dict.fromkeys(name for watch in row.watches for name in watch.graded))
    for name in ("images", "scored", "keep", "trash", *graded):
        table.add_column(name, justify="right")
    table.add_column("state")
    for watch in row.watches:
        counts = (watch.files, watch.scored, watch.keep, watch.trash)
        figures = [*map(str, counts), *(str(watch.graded.get(name, "")) for name in graded)]
        table.add_row(Text(short(watch.inbox)), *figures, Text(printable(watch.state)))
    return table


def _short(event: Event, row: Status) -> Event:
    """Return a copy of the event in which the path is relative to the inbox of the file.

    The live view cuts off long lines at the right. The file name at the end of an absolute path
    might be cut off.
    """
    path = getattr(event, "path", None)
    for watch in row.watches:
        inbox = watch.inbox + "/"
        if path is not None and path.startswith(inbox):
            return msgspec.structs.replace(event, path=path.removeprefix(inbox))
    return event


def _attention(row: Status) -> list[RenderableType]:
    lines: list[RenderableType] = [Text(remark) for remark in remarks(row)]
    lines += [Text(f"attention: {shortened(problem)}", style="yellow") for problem in row.troubles]
    failed = row.failed
    lines += [
        Text(f"failed: {short(file.path)}: {shortened(file.reason)}", style="red")
        for file in failed[:MAX_FAILED]
    ]
    if len(failed) > MAX_FAILED:
        lines.append(Text(f"… and {len(failed) - MAX_FAILED} more: imgscore status", style="red"))
    return [Text(), *lines] if lines else []
