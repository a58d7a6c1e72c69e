"""The verb `import`: read labels and embeddings from a Parquet file.

Embeddings are imported only if they were made by the embedder that is in use.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.config import TasteName
from imgscore.messages import BaseRequest, PathText, Progress, Result
from imgscore.verbs.base import Steps, Waiting, until_idle
from imgscore.verbs.tastes import one_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn
    from imgscore.workers.queries import ParquetRow


class Response(msgspec.Struct):
    """The result of an import."""

    rows: int = 0
    """the number of rows in the file"""
    labels: int = 0
    """the number of imported labels that were not in the store yet"""
    embeddings: int = 0
    """the number of imported embeddings that were not in the store yet"""
    taste: str = "default"
    """the taste that learns from the labels"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`file`: the absolute path of a Parquet file.

    `taste`: the taste that gets the labels. If there are several tastes, it must be given.
    """

    needs_file: ClassVar[bool] = True
    file: PathText
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Import the file, and yield one Response. Labels that are already stored are skipped."""
    from imgscore.workers.queries import ReadParquetQuery

    taste = one_of(engine.ctx.watches, request.taste)
    ticket = engine.queries.ask(
        ReadParquetQuery(taste, os.path.realpath(os.fsencode(request.file)))
    )
    waiting = Waiting(engine, engine.queries)
    now_ns = time.time_ns()  # all labels get the same time, so that one undo undoes them all
    imported = Response(taste=taste)
    try:
        while True:
            rows, ticket.rows = ticket.rows, []
            if rows:
                record = partial(_record, engine, taste, now_ns, rows)
                new_labels, new_embeddings = engine.ctx.store.commit(record)
                imported.rows += len(rows)
                imported.labels += new_labels
                imported.embeddings += new_embeddings
                yield Progress("importing", imported.rows, 0)
            if ticket.error is not None:
                raise ticket.error
            if ticket.done and not ticket.rows:
                break
            yield from waiting.step()
    finally:
        ticket.wanted = False
    if imported.labels:
        engine.trainer.relearn(taste, at_once=True)
        yield from until_idle(engine, "learning")
    yield Result(imported)


def _record(
    engine: Engine, taste: str, now_ns: int, rows: list[ParquetRow], txn: Txn
) -> tuple[int, int]:
    """Store the labels and embeddings of `rows` that are not in the store yet.

    Return the number of new labels, and the number of new embeddings.
    """
    from imgscore.store import labels, vectors
    from imgscore.store.schema import LabelEvent, stored_grade

    pairs = [(row.digest, row.vector) for row in rows if row.vector is not None]
    added = vectors.append(txn, engine.ctx.embedder.image_embedder, pairs)
    logged = 0
    for row in rows:
        current = labels.current(txn, taste, row.digest)
        if row.grade is not None and (current is None or current.grade != row.grade):
            value = stored_grade(row.grade)
            event = LabelEvent(now_ns, taste, row.digest, value, "import", b"")
            labels.append(txn, event)
            logged += 1
    return logged, added
