"""Converts touches, scores, events and statuses to the text that several commands print."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from imgscore import events
from imgscore.cli.output import duration, printable
from imgscore.cli.path_text import short, shortened
from imgscore.events import Event
from imgscore.grades import text_of
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.pause import FOREVER_NS
from imgscore.verbs.status import Response as Status


class _FileRow(Protocol):
    """A row about a file."""

    path: str

    @property
    def error(self) -> str | None:
        """The error, or None if there is no error."""


class _ScoredRow(Protocol):
    """A row about an image with a score."""

    path: str | None
    sha256: str
    score: float


def named(row: _FileRow, text: str) -> str:
    """Return a line with `text` and the path of the file. If the row has an error, the line
    contains the error instead of `text`."""
    if row.error is not None:
        return f"failed  {short(row.path)}: {shortened(row.error)}"
    return f"{text}  {short(row.path)}"


def label_text(label: str | None, grade: float | None) -> str:
    """Return a label as text: "keep", "trash", "clear", or the grade, such as "4 stars".

    `label`: the name of the label. `grade`: its grade, or None if there is no label. A daemon of an
    older version sends no grade.
    """
    return (label or "clear") if grade is None else text_of(grade)


def answers_text(count: int) -> str:
    """Return the number of answers of comparisons as text, such as "1 answer"."""
    return f"{count} {'answer' if count == 1 else 'answers'}"


def scored(row: _ScoredRow) -> str:
    """Return a line with the score and the path of an image.

    If the path is not known, the line contains the digest of the image instead.
    """
    return f"{row.score:.3f}  {short(row.path or row.sha256)}"


def touched(row: TouchedFile) -> str:
    """Return a line about a touch: the date before the touch, and the date after it."""
    would = "would be " if row.dry_run else ""
    return named(row, f"{would}{_date(row.before_ns)} → {_date(row.after_ns)}")


def time_text(nanoseconds: int) -> str:
    """Return a time as text, in the local time zone and in whole seconds.

    `nanoseconds`: the time in nanoseconds since 1970.
    """
    return datetime.fromtimestamp(nanoseconds // 10**9).strftime("%Y-%m-%d %H:%M:%S")


def until_text(nanoseconds: int) -> str:
    """Return the end of a pause as text, in the local time zone.

    The date is left out if the pause ends today. `nanoseconds`: the time in nanoseconds since 1970.
    """
    if nanoseconds >= FOREVER_NS:
        return "you run imgscore resume"
    end = datetime.fromtimestamp(nanoseconds // 10**9)
    return end.strftime("%H:%M" if end.date() == datetime.now().date() else "%Y-%m-%d %H:%M")


def state_text(row: Status) -> str:
    """Return the state of a status, with the end of a pause."""
    return f"paused until {until_text(row.paused_until_ns)}" if row.paused_until_ns else row.state


def _date(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else time_text(nanoseconds)


def event_line(event: Event) -> str:
    """Return a line about an event: its time, its kind, and its details, such as the file."""
    when = datetime.fromtimestamp(event.time_ns / 1e9).strftime("%H:%M:%S")
    return f"{when}  {event.__struct_config__.tag:<9} {printable(_subject(event))}"


def _subject(event: Event) -> str:
    match event:
        case events.Labelled():
            return f"{label_text(event.label, event.grade)}  {short(event.path)}"
        case events.ManyLabelled():
            undecided = f"{event.undecided} undecided, " if event.undecided else ""
            return f"{event.keep} keep, {undecided}{event.trash} trash, {event.clear} cleared"
        case events.MassChange():
            return f"{event.cleared} cleared, {event.flipped} flipped; {event.remedy}"
        case events.Scored(score=None):
            return f"no head yet  {short(event.path)}"
        case events.Scored():
            return f"{event.score:.3f}  {short(event.path)}"
        case events.Rescored():
            return f"{event.files} images with head {event.head}"
        case events.Trained():
            verdict = "used" if event.used else "not used: the previous head is better"
            return f"head {event.head} on {event.labels} labels, {verdict}"
        case events.Ordered() | events.Restored() | events.Undone():
            return f"{event.files} dates" + (f" in {short(event.inbox)}" if event.inbox else "")
        case events.Failed():
            about = f"{short(event.path)}: " if event.path else ""
            remedy = f" ({event.remedy})" if event.remedy else ""
            return f"{about}{event.reason}{remedy}"
        case events.Problem():
            return event.reason
        case events.Following():
            return "Ctrl-C ends"
        case events.Paused() | events.Resumed():
            return ""


def remarks(row: Status) -> list[str]:
    """Return a line for each special state of the daemon, such as a dry run."""
    lines = []
    if row.waiting:
        lines.append(f"waiting: {row.waiting}; to process the files now: imgscore scan")
    if row.dry_run:
        lines.append("dry run: imgscore computes the dates, but does not set them")
    if row.training is not None:
        seconds = row.training.seconds_left
        left = "" if seconds is None else f", about {duration(seconds)} left"
        lines.append(
            f"training taste {row.training.taste}: step {row.training.done} of "
            f"{row.training.total}{left}"
        )
    again = row.embedding_anew
    if again is not None:
        seconds = again.seconds_left
        left = "" if seconds is None else f", about {duration(seconds)} left"
        lines.append(
            f"embedding again with {row.embedder}: {again.done} of {again.total}{left}; "
            "until then the previous head gives the order"
        )
    return lines


LEFT_ALONE_WORDS = {
    "hidden": ("hidden file", "hidden files"),
    "links": ("link", "links"),
    "hard links": ("file with a hard link outside", "files with hard links outside"),
    "videos": ("video", "videos"),
    "svg": ("SVG", "SVGs"),
    "unfinished": ("unfinished download", "unfinished downloads"),
    "unknown": ("other file", "other files"),
}
"""For each reason to leave a file alone: the word for one file, and the word for several files."""


def left_alone_text(counts: Mapping[str, int]) -> str:
    """Return the number of files that imgscore leaves alone, by reason, as text."""
    parts = []
    for reason, count in counts.items():
        one, many = LEFT_ALONE_WORDS.get(reason, (reason, reason))
        parts.append(f"{count} {one if count == 1 else many}")
    return ", ".join(parts)
