"""history: what was touched and labelled, newest first."""

import os
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice

import msgspec

from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.store import journal, labels
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Row, Steps, absolute_path, display_path
from imgscore.watches import within


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only what lies under it. `limit`: at most so many rows. `together`: one ordering,
    one row."""

    folder: str | None = None
    limit: int = 50
    together: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """A row an event; `together`, with `dates`: how many were set at once."""
    folder = None if request.folder is None else os.path.realpath(absolute_path(request.folder))
    with engine.ctx.store.read() as txn:
        both = merge(_touches(txn), _labels(txn), key=lambda event: event[0], reverse=True)
        wanted = (row for _, path, row in both if folder is None or within(path, folder))
        rows = list(islice(_together(wanted) if request.together else wanted, request.limit))
    yield from map(Result, rows)


def _together(rows: Iterable[Row]) -> Iterator[Row]:
    for _, same in groupby(rows, key=lambda row: (row["what"], row.get("run", row["number"]))):
        newest, *others = same
        yield {**newest, "dates": 1 + len(others)}


def _touches(txn: Txn) -> Iterator[tuple[int, bytes, Row]]:
    for number, touch in journal.newest_first(txn):
        row = {
            "what": touch.reason,
            "time_ns": touch.time_ns,
            "number": number,
            "run": touch.run,
            "inbox": display_path(touch.inbox),
            "path": display_path(touch.path),
            "sha256": touch.digest.hex(),
            "before_ns": touch.before_ns,
            "after_ns": touch.after_ns,
            "head": touch.head or None,
        }
        yield touch.time_ns, touch.path, row


def _labels(txn: Txn) -> Iterator[tuple[int, bytes, Row]]:
    for number, event in labels.newest_first(txn):
        row = {
            "what": "label",
            "time_ns": event.time_ns,
            "number": number,
            "path": display_path(event.path),
            "sha256": event.digest.hex(),
            "label": event.label,
            "source": event.source,
            "taste": event.taste,
        }
        yield event.time_ns, event.path, row
