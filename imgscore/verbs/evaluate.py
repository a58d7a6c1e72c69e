"""evaluate: how good the scores are, measured on labels that the head was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.heads.results import Point, Quality
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, taste_or_first

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """Held-out figures of a taste."""

    taste: str
    """the taste"""
    kind: str
    """the kind of head"""
    quality: Quality
    """the figures with all labels"""
    curve: list[Point]
    """the learning curve: AUC by number of labels"""
    doubled: float | None
    """the AUC that twice as many labels would bring; null if there are too few labels to tell"""
    left_out: int
    """points of the curve that were not measured, because the time was over"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`taste`: None = the first watch's."""

    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row."""
    from imgscore.workers.queries import EvaluateQuery

    taste = taste_or_first(engine, request.taste)
    (row,) = yield from answer(engine, EvaluateQuery(taste, engine.ctx.config.head))
    evaluation = row.evaluation
    yield Result(
        Response(
            taste=taste,
            kind=evaluation.kind,
            quality=evaluation.quality,
            curve=evaluation.curve,
            doubled=evaluation.doubled,
            left_out=evaluation.left_out,
        )
    )
