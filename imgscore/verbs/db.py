"""db: check the store, drop an embedder's vectors."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.messages import Result
from imgscore.store import checks, heads, name_vectors, scores, vectors
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Row, Steps


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`embedder`: the id to drop."""

    action: Literal["check", "drop"]
    embedder: str | None = None


def run(engine: Engine, request: Request) -> Steps:
    """check: a row a table. drop: one row."""
    match request.action:
        case "check":
            yield from (Result(row) for row in _check(engine))
        case "drop":
            yield Result(_drop(engine, request.embedder or ""))


def _check(engine: Engine) -> Iterator[Row]:
    with engine.ctx.store.read() as txn:
        for finding in checks.iter_all(txn):
            yield {
                "what": finding.what,
                "entries": finding.entries,
                "error": "; ".join(finding.problems) or None,
            }


def _drop(engine: Engine, embedder: str) -> Row:
    """Forget an embedder's vectors and what its heads said; labels, traits and heads stay."""
    store = engine.ctx.store
    with store.read() as txn:
        known = vectors.embedders(txn)
    if embedder == engine.ctx.embedder.image_embedder:
        raise UsageError(
            f"{embedder} is in use", "use another model first: imgscore model use NAME"
        )
    if embedder not in known:
        raise UsageError(
            f"the store has no vectors of {embedder!r}",
            f"it has those of: {', '.join(sorted(known)) or 'none'}",
        )

    def drop(txn: Txn) -> None:
        vectors.drop(txn, embedder)
        name_vectors.drop(txn, embedder)
        for head in heads.iter_all(txn):
            current = heads.current(txn, head.taste)
            # A head that still orders keeps its scores: they could not be had again.
            if head.embedder.split("+")[0] == embedder and head != current:
                scores.forget(txn, head.taste, head.version)

    store.commit(drop)
    engine.ctx.changed()
    return {"dropped": embedder, "vectors": known[embedder].count, "error": None}
