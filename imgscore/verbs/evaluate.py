"""The verb `evaluate`: measure how good the scores are.

The figures are measured on held-out labels: labels that were not used to train the head.
"""

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
    """The quality of the scores of a taste, measured on labels that were not used for training."""

    taste: str
    """the name of the taste"""
    kind: str
    """the kind of the head"""
    quality: Quality
    """the figures that were measured with all labels of the taste"""
    curve: list[Point]
    """the learning curve: the AUC for each number of labels"""
    doubled: float | None
    """the estimated AUC with twice as many labels; null if there are too few labels for this"""
    left_out: int
    """the number of points of the learning curve that were left out because time ran out"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`taste`: the taste to evaluate. None means the taste of the first watch."""

    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Measure the quality in a worker, and yield one Response."""
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
