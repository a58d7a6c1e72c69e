"""The verb `links`: list the best images of a taste, for a folder of links.

This verb makes no links. The command `links` makes them in its own process, because the daemon can
write only in the folders that the config names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.config import PerGroup, Share, TasteName, Top
from imgscore.grades import LabelName, name_of
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.queries import answer, inboxes_of
from imgscore.verbs.tastes import one_of

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """An image that belongs to the best."""

    path: str
    """the path of the image"""
    sha256: str
    """the digest of the image"""
    score: float | None
    """the probability that you would keep the image, from 0 to 1; null if there is no score"""
    label: LabelName | None
    """the label of the image: `keep` or `undecided`; null if it has no label"""
    grade: float | None
    """the grade of the label; null if the image has no label"""


class Request(BaseRequest[Response]):
    """`top`: the largest number of images. `min_score`: the smallest grade or score of an image.

    `per_group`: the largest number of images of one group; 0 means all. `taste`: needed if there
    are several tastes.
    """

    needs_watch: ClassVar[bool] = True
    top: Top = 500
    per_group: PerGroup = 0
    min_score: Share = 0.0
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each image, best image first."""
    from imgscore.workers.queries import BestQuery

    taste = one_of(engine.ctx.watches, request.taste)
    inboxes_of(engine, taste)  # Without a watched folder, no image would be left.
    watches = [watch for watch in engine.ctx.watches.all if watch.taste == taste]
    query = BestQuery(taste, watches, request.top, request.per_group, request.min_score)
    for image in (yield from answer(engine, query)):
        grade = image.grade
        yield Result(
            Response(
                display_path(image.path),
                image.digest.hex(),
                None if image.score is None else round(image.score, 6),
                None if grade is None else name_of(grade),
                grade,
            )
        )
