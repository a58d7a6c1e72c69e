"""report: gather what the page of a taste shows, and make the thumbnails that it lacks."""

import os
from collections.abc import Generator
from typing import Any

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.messages import Message, Progress, Result
from imgscore.verbs import thumbnails
from imgscore.verbs.base import Row, Steps, a_step, absolute_path, display_path, in_turn
from imgscore.verbs.queries import answer, inboxes_of, taste_or_first
from imgscore.watches import Watch
from imgscore.workers.messages import MakeThumbnail, ThumbnailMade
from imgscore.workers.queries import MissingThumbnail, ReportCounts, ReportQuery


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only what lies under it. `suspects`: at most so many. `figures`: measure anew."""

    folder: str | None = None
    taste: TasteName | None = None
    suspects: int = 50
    figures: bool = True


def run(engine: Engine, request: Request) -> Steps:
    """One row: where the page's data and thumbnails are, and how much there is."""
    folder, taste = None, taste_or_first(engine, request.taste)
    if request.folder is not None:
        folder = os.path.realpath(absolute_path(request.folder))
        place = engine.ctx.watches.locate(folder)
        if place is None:
            raise UsageError(
                f"{display_path(folder)} is not in a watched folder",
                "watch it with: imgscore init INBOX",
            )
        taste = request.taste or place.watch.taste
    inboxes = inboxes_of(engine, taste)
    data, made = _folders(taste)
    yield Progress("gathering", 0, 1)
    rows = yield from answer(
        engine,
        ReportQuery(
            taste,
            inboxes=inboxes,
            folder=folder,
            suspects=request.suspects,
            figures=request.figures,
            file=data,
            thumbnails=made,
        ),
    )
    wanted = [
        MakeThumbnail(row.path, row.digest, row.file)
        for row in rows
        if isinstance(row, MissingThumbnail)
    ]
    (counts,) = (row for row in rows if isinstance(row, ReportCounts))
    drawn = yield from _draw(engine, wanted)
    yield Result(
        {
            "taste": taste,
            "folder": None if folder is None else display_path(folder),
            "data": display_path(data),
            "thumbnails": display_path(made),
            "watches": [_watch(one) for one in engine.ctx.watches.all if one.taste == taste],
            **msgspec.structs.asdict(counts),
            "drawn": drawn,
            "undrawn": len(wanted) - drawn,
            "error": None,
        }
    )


def _folders(taste: str) -> tuple[bytes, bytes]:
    """The file for a taste's data, and the folder of the thumbnails, which is there now."""
    made = thumbnails.folder()
    return os.fsencode(made.with_name(f"{taste}.json")), os.fsencode(made)


def _draw(engine: Engine, wanted: list[MakeThumbnail]) -> Generator[Message | None, Any, int]:
    """Make thumbnails; returns how many there were. A file that has changed or gone has none."""
    done = drawn = 0
    for ticket in in_turn(map(engine.thumbnailer.ask, wanted)):
        if ticket is None:
            yield from a_step(engine)
            continue
        drawn += isinstance(ticket.answer, ThumbnailMade)
        done += 1
        yield Progress("drawing thumbnails", done, len(wanted))
    return drawn


def _watch(watch: Watch) -> Row:
    return {
        "inbox": display_path(watch.inbox),
        "keep": display_path(watch.keep[0]) if watch.keep else None,
        "trash": display_path(watch.trash[0]) if watch.trash else None,
    }
