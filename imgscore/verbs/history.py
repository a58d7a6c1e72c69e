"""The verb `history`: list touches, labels and comparisons, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from imgscore.messages import BaseRequest, PathText, Result, Rows
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn


class TouchEntry(msgspec.Struct):
    """A touch, which is a change of the date of a file by imgscore."""

    what: str
    """the reason for the touch: `order`, `restore` or `undo`"""
    time_ns: int
    """the time of the touch, in nanoseconds since 1970"""
    number: int
    """the number of the touch in the journal"""
    run: int
    """the number of the run that made the touch; all touches of one run have the same number"""
    inbox: str
    """the inbox of the file; may be empty"""
    path: str
    """the path of the file"""
    sha256: str
    """the digest of the image"""
    before_ns: int
    """the mtime of the file before the touch, in nanoseconds since 1970"""
    after_ns: int
    """the mtime of the file after the touch, in nanoseconds since 1970"""
    head: str | None
    """the version of the head; for `undo`, the number of the run that was undone; may be null"""
    dates: int | UnsetType = UNSET
    """the number of touches in this row; missing if the request has `together` false"""


class LabelEntry(msgspec.Struct):
    """A label that was set or cleared."""

    what: str
    """always `label`"""
    time_ns: int
    """the time when the label was set or cleared, in nanoseconds since 1970"""
    number: int
    """the number of this change in the log of labels"""
    path: str
    """the path of the image when it was labelled; may be empty"""
    sha256: str
    """the digest of the image"""
    label: str
    """`keep`, `undecided` or `trash`; `clear` if the label was cleared"""
    source: str
    """the origin of the label: `place`, `xdg_trash`, `rating`, `cli`, `import`, `undo` or
    `rewrite`"""
    taste: str
    """the taste that learns from the label"""
    dates: int | UnsetType = UNSET
    """the number of labels in this entry, which is always 1. If the request has `together` false,
    the field is missing"""
    grade: float | None = None
    """the grade, from 0 (trash) to 1 (keep); null if the label was cleared"""


class ComparisonEntry(msgspec.Struct):
    """An answer to the question which of two images is better."""

    what: str
    """always `compare`"""
    time_ns: int
    """the time of the answer, in nanoseconds since 1970"""
    number: int
    """the number of this answer in the log of comparisons"""
    path: str
    """the present path of the first image; empty if it is not known"""
    sha256: str
    """the digest of the first image"""
    second_path: str
    """the present path of the second image; empty if it is not known"""
    second_sha256: str
    """the digest of the second image"""
    answer: str
    """`first` or `second` for the better image, `same`, `skip`, or `clear` if the answer was
    withdrawn"""
    source: str
    """the origin of the answer: `cli`, `import` or `undo`"""
    taste: str
    """the taste that learns from the answer"""
    dates: int | UnsetType = UNSET
    """the number of answers in this entry, which is always 1. If the request has `together` false,
    the field is missing"""


Response = TouchEntry | ComparisonEntry | LabelEntry


class Request(BaseRequest[Response]):
    """`folder`: list only files in this folder or below it. None means all files.

    `limit`: the largest number of rows. `together`: if true, yield one row for each run of
    touches, such as an ordering. If false, yield one row for each touch.
    """

    any_folder: ClassVar[bool] = True
    folder: PathText | None = None
    limit: Rows = 50
    together: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield the rows of touches, labels and comparisons, newest first."""
    folder = folder_of(request.folder)
    with engine.ctx.store.read() as txn:
        inboxes = {watch.inbox for watch in engine.ctx.watches.all}
        logs = (_touches(txn), _labels(txn), _comparisons(txn, inboxes))
        entries = merge(*logs, key=lambda entry: entry.time_ns, reverse=True)
        wanted = (
            entry.row
            for entry in entries
            if folder is None or any(within(path, folder) for path in entry.paths)
        )
        rows = list(islice(_together(wanted) if request.together else wanted, request.limit))
    yield from map(Result, rows)


class _Entry(NamedTuple):
    """A row, with the paths of its images."""

    time_ns: int
    paths: tuple[bytes, ...]
    row: Response


def _together(rows: Iterable[Response]) -> Iterator[Response]:
    for _, group in groupby(rows, key=_group):
        newest, *others = group
        newest.dates = 1 + len(others)
        yield newest


def _group(row: Response) -> tuple[str, int]:
    """Return a key. All touches of one run have the same key. Each other row has its own key."""
    return row.what, row.run if isinstance(row, TouchEntry) else row.number


def _touches(txn: Txn) -> Iterator[_Entry]:
    from imgscore.store import journal

    for number, touch in journal.newest_first(txn):
        row = TouchEntry(
            what=touch.reason,
            time_ns=touch.time_ns,
            number=number,
            run=touch.run,
            inbox=display_path(touch.inbox),
            path=display_path(touch.path),
            sha256=touch.digest.hex(),
            before_ns=touch.before_ns,
            after_ns=touch.after_ns,
            head=touch.head or None,
        )
        yield _Entry(touch.time_ns, (touch.path,), row)


def _labels(txn: Txn) -> Iterator[_Entry]:
    from imgscore.store import labels

    for number, event in labels.newest_first(txn):
        row = LabelEntry(
            what="label",
            time_ns=event.time_ns,
            number=number,
            path=display_path(event.path),
            sha256=event.digest.hex(),
            label=event.label,
            source=event.source,
            taste=event.taste,
            grade=event.grade,
        )
        yield _Entry(event.time_ns, (event.path,), row)


def _comparisons(txn: Txn, inboxes: set[bytes]) -> Iterator[_Entry]:
    from imgscore.store import comparisons
    from imgscore.store.image_paths import present_path

    for number, event in comparisons.newest_first(txn):
        first, second = (
            present_path(txn, event.taste, inboxes, digest) or b""
            for digest in (event.first, event.second)
        )
        row = ComparisonEntry(
            what="compare",
            time_ns=event.time_ns,
            number=number,
            path=display_path(first),
            sha256=event.first.hex(),
            second_path=display_path(second),
            second_sha256=event.second.hex(),
            answer=event.answer,
            source=event.source,
            taste=event.taste,
        )
        yield _Entry(event.time_ns, (first, second), row)
