"""The verb `db`: check the store, or delete the vectors of an embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from imgscore.errors import UsageError
from imgscore.messages import BaseRequest, Result, ShortText
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn


class CheckedTable(msgspec.Struct):
    """The result of one check of the store."""

    what: str
    """the kind of records that were checked, in words"""
    entries: int
    """the number of records that were checked"""
    error: str | None
    """the problems that were found; null if there are none"""


class DroppedEmbedder(msgspec.Struct):
    """An embedder whose vectors were deleted."""

    dropped: str
    """the id of the embedder"""
    vectors: int
    """the number of vectors that were deleted"""
    error: str | None = None
    """always null"""


Response = CheckedTable | DroppedEmbedder


class Request(BaseRequest[Response]):
    """`embedder`: the id of the embedder whose vectors are deleted."""

    action: Literal["check", "drop"]
    embedder: ShortText | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Check the store if `action` is "check", or delete vectors if `action` is "drop".

    Yield a CheckedTable for each check, or one DroppedEmbedder.
    """
    match request.action:
        case "check":
            yield from _check(engine)
        case "drop":
            yield Result(_drop(engine, request.embedder or ""))


def _check(engine: Engine) -> Steps[CheckedTable]:
    from imgscore.workers.queries import CheckStoreQuery

    for checked in (yield from answer(engine, CheckStoreQuery(""))):
        error = "; ".join(checked.problems) or None
        yield Result(CheckedTable(checked.what, checked.entries, error))


def _drop(engine: Engine, embedder: str) -> DroppedEmbedder:
    """Delete the vectors of an embedder, and the scores that were computed from these vectors.

    Labels, traits and heads are not deleted. Raises UsageError if the embedder is in use or has no
    vectors.
    """
    from imgscore.store import heads, name_vectors, scores, vectors

    store = engine.ctx.store
    with store.read() as txn:
        known = vectors.embedders(txn)
    if embedder == engine.ctx.embedder.image_embedder:
        raise UsageError(
            f"the embedder {embedder} is in use", "use another model first: imgscore model use NAME"
        )
    if embedder not in known:
        raise UsageError(
            f"the store has no vectors of {embedder!r}",
            f"give one of these embedders: {', '.join(sorted(known))}"
            if known
            else "the store has no vectors of any embedder",
        )

    def drop(txn: Txn) -> None:
        vectors.drop(txn, embedder)
        name_vectors.drop(txn, embedder)
        for head in heads.iter_all(txn):
            current = heads.current(txn, head.taste)
            # Keep the scores of a head that is in use: the scores could not be computed again
            # without the vectors.
            if head.embedder.split("+")[0] == embedder and head != current:
                scores.forget(txn, head.taste, head.version)

    store.commit(drop)
    engine.ctx.changed()
    return DroppedEmbedder(embedder, known[embedder].count)
