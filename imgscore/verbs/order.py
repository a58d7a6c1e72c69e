"""order: bring inboxes into score order now, or show which files would be touched."""

from collections.abc import Iterator
from typing import Any

import msgspec

from imgscore.engine.engine import Engine
from imgscore.engine.order_jobs import OrderJob
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Result
from imgscore.verbs.base import Row, Steps, absolute_path, display_path
from imgscore.watches import Watch


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only the inbox that holds it; None = every inbox."""

    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """A row a touch."""
    for watch in chosen(engine, request.folder):
        head = engine.ctx.head(watch.taste)
        if not head:
            missing = engine.trainer.tastes[watch.taste].missing
            raise ImgscoreError(
                f"{display_path(watch.inbox)} has no order yet: {missing or 'no head is trained'}",
                "move files into keep/ and trash/, then: imgscore train",
            )
        dry_run = request.dry_run or engine.ctx.config.dry_run
        if not dry_run:
            engine.order_scheduler.hold(watch.inbox, held=False)
        job = engine.order_scheduler.order(watch, dry_run=dry_run)
        yield from rows(job)
        for one in job.planned:
            path, before_ns = one.sighting.path, one.sighting.seen.mtime_ns
            yield Result(row(path, before_ns, one.after_ns, dry_run=True))


def rows(job: OrderJob) -> Steps:
    """The touches of an errand, as they are done."""
    for outcome in parts(job):
        if outcome is None:
            yield None
            continue
        for touch in outcome.touched:
            yield Result(row(touch.path, touch.before_ns, touch.after_ns))
        for error in outcome.refused:
            yield Result(row(error.path, None, None, f"{error.message}: {error.remedy}"))


def parts(job: OrderJob) -> Iterator[Any | None]:
    """What has become of an errand's parts; None: a step is needed for more."""
    while True:
        done = job.done
        yield from job.take()
        if done:
            return
        yield None


def row(
    path: bytes,
    before_ns: int | None,
    after_ns: int | None,
    error: str | None = None,
    *,
    dry_run: bool = False,
) -> Row:
    """A touch as `--json` prints it; `dry_run`: one that was not done."""
    return {
        "path": display_path(path),
        "before_ns": before_ns,
        "after_ns": after_ns,
        "dry_run": dry_run,
        "error": error,
    }


def chosen(engine: Engine, folder: str | None) -> list[Watch]:
    """The watch whose inbox holds the folder, or all. Raises UsageError outside of every watch."""
    watches = engine.ctx.watches
    if folder is None:
        return list(watches.all)
    path = absolute_path(folder)
    place = watches.locate(path)
    if place is None:
        raise UsageError(
            f"{display_path(path)} is not in a watched folder", "watch it with: imgscore init INBOX"
        )
    return [place.watch]
