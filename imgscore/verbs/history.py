"""The verb `history`: list touches, labels and comparisons, newest first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from imgscore.messages import BaseRequest, PathText, Progress, Result, Rows
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.comparisons import ComparisonEvent
    from imgscore.store.schema import LabelEvent, Touch
    from imgscore.store.store import Store
    from imgscore.store.transaction import Txn

ENTRY_BATCH = 5000
"""The number of entries of a log that are read in one step. It takes about 0.01 s."""


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
    inboxes = {watch.inbox for watch in engine.ctx.watches.all}
    logs = (_touches, _labels, partial(_comparisons, inboxes))
    rows: list[list[_Row]] = []
    for log in logs:
        rows.append((yield from _read(engine.ctx.store, log, request, folder)))
    newest = merge(*rows, key=lambda row: row.time_ns, reverse=True)
    for row in islice(newest, request.limit):
        if request.together:
            row.response.dates = row.entries
        yield Result(row.response)


class _Entry(NamedTuple):
    """An entry of a log.

    `paths`: the paths of its images. `group`: neighbours with the same key can share a row.
    `response`: a function that returns the row.
    """

    number: int
    time_ns: int
    paths: tuple[bytes, ...]
    group: tuple[str, int]
    response: Callable[[], Response]


_Log = Callable[["Txn", int | None], Iterator[_Entry]]
"""A function that yields the entries of a log below a number, newest first."""


class _Row(msgspec.Struct):
    """A row, with the time of its newest entry and the number of its entries."""

    time_ns: int
    group: tuple[str, int]
    response: Response
    entries: int = 1


def _read(
    store: Store, log: _Log, request: Request, folder: bytes | None
) -> Generator[Progress, None, list[_Row]]:
    """Return the newest rows of one log, and take a step after each ENTRY_BATCH entries."""
    rows: list[_Row] = []
    below: int | None = None
    total = read = 0
    while True:
        part = 0
        with store.read() as txn:
            for entry in islice(log(txn, below), ENTRY_BATCH):
                part, below = part + 1, entry.number
                total = total or entry.number
                if folder is not None and not any(within(path, folder) for path in entry.paths):
                    continue
                if request.together and rows and rows[-1].group == entry.group:
                    rows[-1].entries += 1
                    continue
                if len(rows) == request.limit:
                    return rows
                rows.append(_Row(entry.time_ns, entry.group, entry.response()))
        if part < ENTRY_BATCH:
            return rows
        read += part
        yield Progress("reading the history", read, max(read, total))


def _touches(txn: Txn, below: int | None) -> Iterator[_Entry]:
    from imgscore.store import journal

    for number, touch in journal.newest_first(txn, below):
        group = touch.reason, touch.run
        response = partial(_touch_entry, number, touch)
        yield _Entry(number, touch.time_ns, (touch.path,), group, response)


def _touch_entry(number: int, touch: Touch) -> TouchEntry:
    return TouchEntry(
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


def _labels(txn: Txn, below: int | None) -> Iterator[_Entry]:
    from imgscore.store import labels

    for number, event in labels.newest_first(txn, below):
        response = partial(_label_entry, number, event)
        yield _Entry(number, event.time_ns, (event.path,), ("label", number), response)


def _label_entry(number: int, event: LabelEvent) -> LabelEntry:
    return LabelEntry(
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


def _comparisons(inboxes: set[bytes], txn: Txn, below: int | None) -> Iterator[_Entry]:
    from imgscore.store import comparisons
    from imgscore.store.image_paths import present_path

    for number, event in comparisons.newest_first(txn, below):
        first, second = (
            present_path(txn, event.taste, inboxes, digest) or b""
            for digest in (event.first, event.second)
        )
        response = partial(_comparison_entry, number, event, first, second)
        yield _Entry(number, event.time_ns, (first, second), ("compare", number), response)


def _comparison_entry(
    number: int, event: ComparisonEvent, first: bytes, second: bytes
) -> ComparisonEntry:
    return ComparisonEntry(
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
