"""The verb `order`: put inboxes into score order now, or list the dates that would change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from imgscore.errors import ImgscoreError
from imgscore.messages import BaseRequest, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, display_path, in_parts

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.order_jobs import OrderJob
    from imgscore.watches import Watch
    from imgscore.workers.messages import PlannedTouch


class TouchedFile(msgspec.Struct):
    """A file whose date was changed, would be changed, or cannot be changed."""

    path: str
    """the path of the file"""
    before_ns: int | None
    """the mtime before the change, in nanoseconds since 1970; may be null if there is an error"""
    after_ns: int | None
    """the mtime after the change, in nanoseconds since 1970; may be null if there is an error"""
    dry_run: bool = False
    """true if the date was not changed, because this is a dry run"""
    error: str | None = None
    """the reason why the date cannot be changed, and a remedy; null if there is no error"""

    @classmethod
    def planned(cls, touch: PlannedTouch) -> TouchedFile:
        """Create the row for a touch that was planned in a dry run."""
        sighting = touch.sighting
        before_ns = sighting.seen.mtime_ns
        return cls(display_path(sighting.path), before_ns, touch.after_ns, dry_run=True)


Response = TouchedFile


class Request(BaseRequest[Response]):
    """`folder`: order only the inbox that contains this folder. None means all inboxes."""

    needs_watch: ClassVar[bool] = True
    folder: PathText | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a TouchedFile for each touch. Raises ImgscoreError if an inbox has no head."""
    for watch in chosen_watches(engine, request.folder):
        if not engine.ctx.head(watch.taste):
            missing = engine.trainer.tastes[watch.taste].missing
            raise ImgscoreError(
                f"{display_path(watch.inbox)} has no order yet: {missing or 'no head is trained'}",
                "move files into keep/ and trash/, then: imgscore train",
            )
        dry_run = request.dry_run or engine.ctx.config.dry_run
        if not dry_run:
            engine.order_scheduler.hold(watch.inbox, held=False)
        job = engine.order_scheduler.order(watch, dry_run=dry_run)
        yield from touched_files(engine, job)
        yield from in_parts("listing", [TouchedFile.planned(touch) for touch in job.planned])


def touched_files(engine: Engine, job: OrderJob) -> Steps[Response]:
    """Yield a TouchedFile for each file whose date the job has changed or cannot change."""
    waiting = Waiting(engine, engine.order_scheduler)
    for outcome in parts(job):
        if outcome is None:
            yield from waiting.step()
            continue
        for touch in outcome.touched:
            yield Result(TouchedFile(display_path(touch.path), touch.before_ns, touch.after_ns))
        for error in outcome.refused:
            reason = f"{error.message}: {error.remedy}"
            yield Result(TouchedFile(display_path(error.path), None, None, error=reason))


def parts(job: OrderJob) -> Iterator[Any | None]:
    """Yield the result of each part of a job. Yield None if the engine must take a step first."""
    while True:
        done = job.done
        yield from job.take()
        if done:
            return
        yield None


def chosen_watches(engine: Engine, folder: str | None) -> list[Watch]:
    """Return the watch that contains `folder`, or all watches if `folder` is None."""
    path = folder_of(folder)
    place = None if path is None else engine.ctx.watches.locate(path)
    return list(engine.ctx.watches.all) if place is None else [place.watch]
