"""heads: the trained heads of a taste, going back to one, and taking one from elsewhere."""

import os
import time
from typing import Literal

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.paths import head_file
from imgscore.store import heads, labels
from imgscore.store.schema import HeadRecord
from imgscore.verbs.base import Row, Steps, until_idle
from imgscore.verbs.queries import answer, taste_or_first
from imgscore.workers.queries import ImportHeadQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`version`: which head to use. `file`: an absolute path, to import from."""

    action: Literal["list", "use", "import"] = "list"
    version: str | None = None
    file: str = ""
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row a head, oldest first; or the head that is now in use."""
    taste = taste_or_first(engine, request.taste)
    ctx = engine.ctx
    with ctx.store.read() as txn:
        of_taste = heads.of_taste(txn, taste)
        current = heads.current(txn, taste)
    in_use = current.version if current is not None else None
    if request.action == "list":
        yield from (Result(_row(head, in_use)) for head in of_taste)
        return
    if request.action == "import":
        yield from _import(engine, taste, request.file)
        return
    chosen = next((head for head in of_taste if head.version == request.version), None)
    if chosen is None:
        raise ImgscoreError(
            f"taste {taste!r} has no head {request.version!r}", "see: imgscore heads list"
        )
    if chosen.embedder != ctx.embedder.id:
        raise ImgscoreError(
            f"head {chosen.version} was trained on {chosen.embedder}",
            "switch to that embedder first: imgscore model use",
        )
    if not head_file(ctx.heads, taste, chosen.version).exists():
        raise ImgscoreError(
            f"head {chosen.version} is too old: its file is gone", "use a later one, or train anew"
        )
    engine.trainer.use_head(taste, chosen.version)
    yield from until_idle(engine, "scoring")
    yield Result(_row(chosen, chosen.version))


def _import(engine: Engine, taste: str, file: str) -> Steps:
    """Take a head that was trained elsewhere into use; the next training may replace it."""
    ctx, name = engine.ctx, os.fsencode(file).decode(errors="replace")
    (found,) = yield from answer(engine, ImportHeadQuery(taste, os.fsencode(file)))
    with ctx.store.read() as txn:
        newest = labels.last_sequence(txn)
    record = HeadRecord(
        version=found.version,
        taste=taste,
        embedder=ctx.embedder.id,
        created_ns=time.time_ns(),
        labels=0,
        label_sequence=newest,
        accepted=False,
        report={"kind": found.kind, "reason": f"imported from {name}"},
    )
    ctx.store.commit(lambda txn: heads.record(txn, record))
    engine.trainer.use_head(taste, record.version)
    yield from until_idle(engine, "scoring")
    yield Result(_row(record, record.version))


def _row(head: HeadRecord, in_use: str | None) -> Row:
    return {
        "head": head.version,
        "taste": head.taste,
        "in_use": head.version == in_use,
        "accepted": head.accepted,
        "labels": head.labels,
        "created_ns": head.created_ns,
        "embedder": head.embedder,
        "report": head.report,
        "error": None,
    }
