"""evaluate: how good the scores are, on labels that the head did not see."""

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, taste_or_first
from imgscore.workers.queries import EvaluateQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`taste`: which; None = the first watch's."""

    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """One row: held-out figures with intervals, the learning curve, what 2 × the labels bring."""
    taste = taste_or_first(engine, request.taste)
    (row,) = yield from answer(engine, EvaluateQuery(taste, engine.ctx.config.head))
    yield Result({"taste": taste, **msgspec.to_builtins(row.evaluation), "error": None})
