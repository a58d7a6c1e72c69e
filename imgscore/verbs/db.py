"""db: check the store, drop an embedder's vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from imgscore.errors import UsageError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn


class CheckedTable(msgspec.Struct):
    """A table of the store that was checked."""

    what: str
    """what was checked"""
    entries: int
    """how many entries it has"""
    error: str | None
    """what is wrong; null if nothing is"""


class DroppedEmbedder(msgspec.Struct):
    """An embedder whose vectors were deleted."""

    dropped: str
    """the id of the embedder"""
    vectors: int
    """how many vectors were deleted"""
    error: str | None = None
    """always null"""


Response = CheckedTable | DroppedEmbedder


class Request(BaseRequest[Response]):
    """`embedder`: the id of the embedder to drop."""

    action: Literal["check", "drop"]
    embedder: str | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """check: yield a row for each table. drop: yield one row."""
    match request.action:
        case "check":
            yield from map(Result, _check(engine))
        case "drop":
            yield Result(_drop(engine, request.embedder or ""))


def _check(engine: Engine) -> Iterator[CheckedTable]:
    from imgscore.store import checks

    with engine.ctx.store.read() as txn:
        for finding in checks.iter_all(txn):
            error = "; ".join(finding.problems) or None
            yield CheckedTable(finding.what, finding.entries, error)


def _drop(engine: Engine, embedder: str) -> DroppedEmbedder:
    """Delete an embedder's vectors and its heads' scores; labels, traits and heads stay."""
    from imgscore.store import heads, name_vectors, scores, vectors

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
    return DroppedEmbedder(embedder, known[embedder].count)
