"""The verb `report`: write the data of a report page into a file, and make missing thumbnails.

A report page shows the images of one taste in score order. A review needs the data at once, so its
request waits neither for the thumbnails nor for the search for similar images.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from imgscore.config import TasteName
from imgscore.messages import MAX_ROWS, BaseRequest, Message, PathText, Progress, Result
from imgscore.report.data import WatchFolders
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, display_path, in_turn
from imgscore.verbs.groups import until_found
from imgscore.verbs.queries import answer, inboxes_of
from imgscore.verbs.tastes import each
from imgscore.verbs.thumbnails import thumbnails_folder

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.watches import Watch
    from imgscore.workers.messages import MakeThumbnail


class Response(msgspec.Struct):
    """The folders and files that the page needs, and the counts of images and other items."""

    taste: str
    """the name of the taste"""
    folder: str | None
    """the folder to which the page is limited; null if the page shows all folders"""
    data: str
    """the path of the file with the data of the page"""
    thumbnails: str
    """the folder of the thumbnails"""
    watches: list[WatchFolders]
    """the watches whose images the page shows"""
    images: int
    """the number of images on the page"""
    unscored: int
    """the number of images on the page without a score"""
    suspects: int
    """the number of labels that may be mistakes"""
    groups: int
    """the number of groups of near-duplicates"""
    failures: int
    """the number of files that failed"""
    drawn: int
    """the number of thumbnails that this call made"""
    undrawn: int
    """the number of thumbnails that could not be made"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`folder`: show only images in this folder or below it. None means all folders.

    `suspects`: the largest number of suspect labels on the page. `figures`: if true, measure the
    learning curve again. `at_once`: make no thumbnails, and do not wait until the new images are
    compared with the others. `groups`: if false, the data contains only the number of groups.
    """

    folder: PathText | None = None
    taste: TasteName | None = None
    suspects: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)] = 50
    figures: bool = True
    at_once: bool = False
    groups: bool = True

    @property
    def only_reads(self) -> bool:
        """True if the answer is wanted at once."""
        return self.at_once


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Write the data, make the thumbnails, and yield one Response for each taste.

    A folder has the taste of its watch.
    """
    folder, wanted = folder_of(request.folder), request.taste
    if folder is not None and (place := engine.ctx.watches.locate(folder)) is not None:
        wanted = wanted or place.watch.taste
    if not request.at_once:
        yield from until_found(engine)
    yield from each(engine, wanted, lambda taste: _gather(engine, taste, folder, request))


def _gather(engine: Engine, taste: str, folder: bytes | None, request: Request) -> Steps[Response]:
    from imgscore.workers.messages import MakeThumbnail
    from imgscore.workers.queries import MissingThumbnail, ReportCounts, ReportQuery

    inboxes = inboxes_of(engine, taste)
    thumbnails = thumbnails_folder()
    data = thumbnails.with_name(f"{taste}.json")
    yield Progress("gathering", 0, 1)
    rows = yield from answer(
        engine,
        ReportQuery(
            taste,
            inboxes=inboxes,
            folder=folder,
            suspects=request.suspects,
            figures=request.figures,
            file=os.fsencode(data),
            thumbnails=None if request.at_once else os.fsencode(thumbnails),
            groups=request.groups,
        ),
    )
    missing = [
        MakeThumbnail(row.path, row.digest, row.file)
        for row in rows
        if isinstance(row, MissingThumbnail)
    ]
    (counts,) = (row for row in rows if isinstance(row, ReportCounts))
    made = yield from _make_thumbnails(engine, missing)
    yield Result(
        Response(
            taste=taste,
            folder=None if folder is None else display_path(folder),
            data=str(data),
            thumbnails=str(thumbnails),
            watches=[_folders(watch) for watch in engine.ctx.watches.all if watch.taste == taste],
            images=counts.images,
            unscored=counts.unscored,
            suspects=counts.suspects,
            groups=counts.groups,
            failures=counts.failures,
            drawn=made,
            undrawn=len(missing) - made,
        )
    )


def _make_thumbnails(
    engine: Engine, missing: list[MakeThumbnail]
) -> Generator[Message[Any] | None, None, int]:
    """Make the missing thumbnails, and return the number of thumbnails that were made.

    If an image file was changed or deleted, its thumbnail is not made.
    """
    from imgscore.workers.messages import ThumbnailMade

    done = made = 0
    waiting = Waiting(engine, engine.thumbnailer)
    for ticket in in_turn(map(engine.thumbnailer.ask, missing)):
        if ticket is None:
            yield from waiting.step()
            continue
        made += isinstance(ticket.answer, ThumbnailMade)
        done += 1
        yield Progress("making thumbnails", done, len(missing))
    return made


def _folders(watch: Watch) -> WatchFolders:
    return WatchFolders(
        inbox=display_path(watch.inbox),
        keep=display_path(watch.keep[0]) if watch.keep else None,
        trash=display_path(watch.trash[0]) if watch.trash else None,
    )
