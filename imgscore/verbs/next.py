"""The verb `next`: list the unlabelled images whose labels would improve the head most.

No two of the listed images are similar to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.messages import BaseRequest, Result, Rows
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, inboxes_of, paths_of
from imgscore.verbs.tastes import each

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """An image to label next."""

    path: str | None
    """the path of the image; null if the path is not known"""
    sha256: str
    """the digest of the image"""
    score: float
    """the probability that you would keep the image, from 0 to 1"""
    error: str | None = None
    """always null"""
    taste: str = "default"
    """the taste whose head computed the score"""


class Request(BaseRequest[Response]):
    """`taste`: None means all tastes. `count`: the largest number of rows for each taste."""

    taste: TasteName | None = None
    count: Rows = 20


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each image, taste by taste, most useful image first."""
    yield from each(engine, request.taste, lambda taste: _next(engine, taste, request.count))


def _next(engine: Engine, taste: str, count: int) -> Steps[Response]:
    from imgscore.workers.queries import NextQuery

    inboxes = inboxes_of(engine, taste)
    images = yield from answer(engine, NextQuery(taste, inboxes, count))
    paths = paths_of(engine, taste, [image.digest for image in images])
    for image in images:
        row = Response(paths[image.digest], image.digest.hex(), image.score, taste=taste)
        yield Result(row)
