"""suspects: labels that the rest of the library contradicts, best evidence first."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Row, Steps
from imgscore.verbs.queries import answer, taste_or_first, with_paths
from imgscore.workers.queries import SuspectsQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`count`: at most so many."""

    taste: TasteName | None = None
    count: int = 20


def run(engine: Engine, request: Request) -> Steps:
    """A row a label. `twin` is a near-duplicate with the opposite label, where there is one."""
    taste = taste_or_first(engine, request.taste)
    suspects = yield from answer(engine, SuspectsQuery(taste, request.count))
    rows: list[Row] = [
        {
            "sha256": suspect.digest.hex(),
            "label": suspect.label,
            "score": suspect.score,
            "evidence": suspect.evidence,
            "twin": suspect.twin.hex() if suspect.twin else None,
        }
        for suspect in suspects
    ]
    yield from map(Result, with_paths(engine, taste, rows, "twin"))
