"""next: the images whose label would teach most; no two of them alike."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Row, Steps
from imgscore.verbs.queries import answer, inboxes_of, taste_or_first, with_paths
from imgscore.workers.queries import NextQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`count`: at most so many."""

    taste: TasteName | None = None
    count: int = 20


def run(engine: Engine, request: Request) -> Steps:
    """A row an image, the most telling first."""
    taste = taste_or_first(engine, request.taste)
    inboxes = inboxes_of(engine, taste)
    images = yield from answer(engine, NextQuery(taste, inboxes, request.count))
    rows: list[Row] = [{"sha256": image.digest.hex(), "score": image.score} for image in images]
    yield from map(Result, with_paths(engine, taste, rows))
