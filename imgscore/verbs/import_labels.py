"""import-labels: learn from folders that are sorted already. Their files stay where they are."""

import os
from collections import deque
from collections.abc import Iterator
from itertools import chain

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.engine.tickets import IndexTicket
from imgscore.errors import UsageError
from imgscore.messages import Progress, Result
from imgscore.reconcile.walk import ImageFile, walk
from imgscore.store.schema import LabelName
from imgscore.verbs.base import Steps, a_step, absolute_path, display_path, until_idle
from imgscore.verbs.label import record
from imgscore.verbs.score import problem

PREFETCH = 256
# Labels are logged together: a commit waits for the disk.
BATCH = 64


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Folders of images to be labelled keep, and of images to be labelled trash."""

    keep: list[str] = []
    trash: list[str] = []
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row for each file that failed, then one row of counts.

    Run again after an interruption, it hashes what it had done and goes on from there.
    """
    taste = request.taste or next(iter(engine.trainer.tastes), "default")
    waiting = deque(chain(_files(request.keep, "keep"), _files(request.trash, "trash")))
    total, done, failed = len(waiting), 0, 0
    counts = {"keep": 0, "trash": 0}
    tickets: deque[tuple[IndexTicket, LabelName]] = deque()
    while waiting or tickets:
        while waiting and len(tickets) < PREFETCH:
            path, label = waiting.popleft()
            tickets.append((engine.indexer.ask(path, taste), label))
        ready = [one for one in tickets if one[0].answer is not None]
        if len(ready) < min(BATCH, len(tickets)):
            yield from a_step(engine)
            continue
        tickets = deque(one for one in tickets if one[0].answer is None)
        record(engine, list(ready), "import")
        for ticket, label in ready:
            error = problem(ticket)
            counts[label] += error is None
            if error is not None:
                failed += 1
                yield Result({"path": display_path(ticket.path), "label": None, "error": error})
        done += len(ready)
        yield Progress("importing", done, total)
    engine.trainer.relearn(taste, at_once=True)
    yield from until_idle(engine, "learning")
    yield Result({**counts, "failed": failed, "taste": taste, "error": None})


def _files(folders: list[str], label: LabelName) -> Iterator[tuple[bytes, LabelName]]:
    for folder in folders:
        root = os.path.realpath(absolute_path(folder))
        if not os.path.isdir(root):
            raise UsageError(f"{display_path(root)} is not a folder", "check the name")
        for entry in walk(root):
            if isinstance(entry, ImageFile):
                yield entry.path, label
