"""The verb `next`: list the unlabelled images whose labels would improve the head most.

No two of the listed images are similar to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.messages import BaseRequest, Result, Rows
from imgscore.verbs.base import Steps
from imgscore.verbs.queries import answer, inboxes_of, paths_of, taste_or_first

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


class Request(BaseRequest[Response]):
    """`count`: the largest number of rows."""

    taste: TasteName | None = None
    count: Rows = 20


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each image, most useful image first."""
    from imgscore.workers.queries import NextQuery

    taste = taste_or_first(engine, request.taste)
    inboxes = inboxes_of(engine, taste)
    images = yield from answer(engine, NextQuery(taste, inboxes, request.count))
    paths = paths_of(engine, taste, [image.digest for image in images])
    for image in images:
        yield Result(Response(paths[image.digest], image.digest.hex(), image.score))
