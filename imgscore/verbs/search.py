"""The verb `search`: find the images that fit words. The model in use must have a text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from imgscore.config import TasteName
from imgscore.messages import BaseRequest, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.queries import answer
from imgscore.verbs.tastes import all_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

MAX_COUNT = 100_000
"""The largest number of results of a search."""
MAX_TEXT = 1000
"""The largest number of characters of the words. Text encoders read 16 to 77 tokens."""


class Response(msgspec.Struct):
    """An image that fits the words."""

    path: str
    """the path of the image"""
    sha256: str
    """the digest of the image"""
    similarity: float
    """the cosine between the words and the image, from -1 to 1"""
    score: float | None
    """the probability that you would keep the image, from 0 to 1; null if there is no score"""
    label: str | None
    """the label of the image: `keep`, `undecided` or `trash`; null if it has no label"""
    error: str | None = None
    """always null"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null if the image has no label"""
    taste: str = "default"
    """the taste that the score and the label belong to"""


class Request(BaseRequest[Response]):
    """`text`: the words. `count`: the largest number of rows.

    `taste`: the taste of the scores and labels. None means the taste of the watch that the image is
    in. `folder`: search only in this folder. None means all watched folders.
    `taste_weight`: the weight of the score, from 0 (only the words count) to 1.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 20
    folder: PathText | None = None
    taste: TasteName | None = None
    taste_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each image, best image first.

    Raises ImgscoreError if the model in use has no text encoder.
    """
    from imgscore.embedders import registry
    from imgscore.store import labels
    from imgscore.workers.queries import SearchQuery

    registry.check_searches(engine.ctx.config.model)
    watches = engine.ctx.watches
    folder, (first, *others) = folder_of(request.folder), all_of(engine, request.taste)
    tastes = {watch.inbox: watch.taste for watch in watches.all} if others else {}
    query = SearchQuery(
        first, request.text, request.count, folder, request.taste_weight, tastes=tastes
    )
    found = yield from answer(engine, query)
    for image in found:
        place = watches.locate(image.path) if others else None
        taste = place.watch.taste if place is not None else first
        with engine.ctx.store.read() as txn:
            label = labels.current(txn, taste, image.digest)
        yield Result(
            Response(
                display_path(image.path),
                image.digest.hex(),
                round(image.similarity, 6),
                None if image.score is None else round(image.score, 6),
                None if label is None else label.label,
                grade=None if label is None else label.grade,
                taste=taste,
            )
        )
