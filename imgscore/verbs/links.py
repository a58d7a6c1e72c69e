"""The verb `links`: list the best images of a taste, for a folder of links.

This verb makes no links. The command `links` makes them in its own process, because the daemon can
write only in the folders that the config names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.config import PerGroup, Share, TasteName, Top
from imgscore.grades import LabelName, name_of
from imgscore.messages import BaseRequest, Result
from imgscore.reconcile.reachable import is_unreachable
from imgscore.store import sightings
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
    missing_folder: str | None = None
    """the watched folder that is missing or empty, because its disk is not mounted; null if the
    file of the image can be reached"""


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
    rows = yield from answer(engine, query)
    missing = _missing_folders(engine, [image.path for image in rows])
    for image in rows:
        grade = image.grade
        yield Result(
            Response(
                display_path(image.path),
                image.digest.hex(),
                None if image.score is None else round(image.score, 6),
                None if grade is None else name_of(grade),
                grade,
                missing.get(image.path),
            )
        )


def _missing_folders(engine: Engine, paths: Iterable[bytes]) -> dict[bytes, str]:
    """Return the watched folder of each image that is on a disk which is not mounted, by path."""
    watches, found = engine.ctx.watches, dict[bytes, str]()
    with engine.ctx.store.read() as txn:
        for path in paths:
            if os.path.lexists(path):
                continue
            sighting, folder = sightings.find(txn, path), watches.folder(path)
            if sighting is None or folder is None:
                continue
            if is_unreachable(watches, path, sighting.seen.dev):
                found[path] = display_path(folder)
    return found
