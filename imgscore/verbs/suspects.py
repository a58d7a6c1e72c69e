"""suspects: labels that the rest of the library contradicts, best evidence first."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, taste_or_first, with_paths


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`count`: at most so many."""

    taste: TasteName | None = None
    count: int = 20


def run(engine: Engine, request: Request) -> Steps:
    """A row a label. `twin` is a near-duplicate with the opposite label, where there is one."""
    taste = taste_or_first(engine, request.taste)
    rows = yield from answer(engine, "suspects", taste, count=request.count)
    yield from map(Result, with_paths(engine, taste, rows, "twin"))
