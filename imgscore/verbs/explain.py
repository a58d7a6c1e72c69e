"""explain: why a file has its score, or why it has none."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.store import traits, vectors
from imgscore.verbs.base import Row, Steps, a_step, absolute_path, display_path
from imgscore.verbs.queries import answer, with_paths
from imgscore.verbs.score import problem, taste_of
from imgscore.workers.messages import FileIndexed
from imgscore.workers.queries import ExplainQuery, SimilarImage


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`count`: at most so many images that speak for it, and against it."""

    file: str
    taste: TasteName | None = None
    count: int = 5


def run(engine: Engine, request: Request) -> Steps:
    """One row: score, interval, the nearest keeps and trashes, versions; or the reason for none."""
    ctx, path = engine.ctx, absolute_path(request.file)
    taste = taste_of(engine, path, request.taste)
    ticket = engine.indexer.ask(path, taste)
    while ticket.answer is None:
        yield from a_step(engine)
    row = {
        "path": display_path(path),
        "taste": taste,
        "head": ctx.head(taste) or None,
        "embedder": ctx.embedder.id,
    }
    looked = ticket.answer
    reason = problem(ticket)
    if reason is None and not ctx.head(taste):
        state = engine.trainer.tastes.get(taste)
        reason = f"no head yet: {(state.missing if state else '') or 'training is under way'}"
    if reason is not None or not isinstance(looked, FileIndexed):
        yield Result({**row, "score": None, "error": reason})
        return
    while not _is_stored(engine, looked.digest):
        yield from a_step(engine)
    (found,) = yield from answer(engine, ExplainQuery(taste, looked.digest, request.count))
    with ctx.store.read() as txn:
        image_traits = traits.get(txn, looked.digest)
    yield Result(
        {
            **row,
            "sha256": looked.digest.hex(),
            "score": found.score,
            "low": found.low,
            "high": found.high,
            "keeps": with_paths(engine, taste, _rows(found.keeps)),
            "trashes": with_paths(engine, taste, _rows(found.trashes)),
            "traits_that_matter": msgspec.to_builtins(found.traits),
            "kind": found.kind,
            "traits": msgspec.to_builtins(image_traits) if image_traits is not None else None,
            "error": None,
        }
    )


def _rows(images: list[SimilarImage]) -> list[Row]:
    return [{"sha256": image.digest.hex(), "similarity": image.similarity} for image in images]


def _is_stored(engine: Engine, digest: bytes) -> bool:
    with engine.ctx.store.read() as txn:
        return vectors.contains(txn, engine.ctx.embedder.image_embedder, digest)
