"""import: take labels, and embeddings of the embedder in use, from a Parquet file."""

import os
import time
from functools import partial

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Progress, Result
from imgscore.store import labels, vectors
from imgscore.store.schema import LabelEvent
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Steps, until_idle
from imgscore.verbs.queries import taste_or_first
from imgscore.workers.queries import ParquetRow, ReadParquetQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`file`: an absolute path."""

    file: str
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """One row of counts. Labels that are there already are not logged again."""
    taste = taste_or_first(engine, request.taste)
    ticket = engine.trainer.query(ReadParquetQuery(taste, os.fsencode(request.file)))
    now_ns = time.time_ns()  # one for all, and so one undo takes all back
    counts = {"rows": 0, "labels": 0, "embeddings": 0}
    try:
        while True:
            rows, ticket.rows = ticket.rows, []
            if rows:
                found = engine.ctx.store.commit(partial(_take, engine, taste, now_ns, rows))
                for name, count in found.items():
                    counts[name] += count
                yield Progress("importing", counts["rows"], 0)
            if ticket.error is not None:
                raise ticket.error
            if ticket.done and not ticket.rows:
                break
            yield None
    finally:
        ticket.wanted = False
    if counts["labels"]:
        engine.trainer.relearn(taste, at_once=True)
        yield from until_idle(engine, "learning")
    yield Result({**counts, "taste": taste, "error": None})


def _take(
    engine: Engine, taste: str, now_ns: int, rows: list[ParquetRow], txn: Txn
) -> dict[str, int]:
    pairs = [(row.digest, row.vector) for row in rows if row.vector is not None]
    added = vectors.append(txn, engine.ctx.embedder.image_embedder, pairs)
    learned = 0
    for row in rows:
        current = labels.current(txn, taste, row.digest)
        if row.label is not None and (current is None or current.label != row.label):
            event = LabelEvent(now_ns, taste, row.digest, row.label, "import", b"")
            labels.append(txn, event)
            learned += 1
    return {"rows": len(rows), "labels": learned, "embeddings": added}
