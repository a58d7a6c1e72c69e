"""The verb `unwatch`: restore the original dates of the files of a watch that is about to end.

The command `unwatch` then takes the watch out of the config. Labels, heads and the original dates
that could not be restored stay in the store.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.errors import UsageError
from imgscore.messages import BaseRequest, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.order import TouchedFile
from imgscore.verbs.restore_times import restored

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.watches import Watch


class Unwatched(msgspec.Struct):
    """The last row of the answer: the watch that ends."""

    inbox: str
    """the path of the inbox"""
    restored: int
    """the number of files whose original date was restored"""
    left: int
    """the number of files whose original date could not be restored and stays in the store"""
    dry_run: bool = False
    """true if nothing was changed, because this is a dry run"""
    error: str | None = None
    """why dates could not be restored, and what to do; null if all dates were restored"""


Response = TouchedFile | Unwatched


class Request(BaseRequest[Response]):
    """`inbox`: the inbox of the watch, as an absolute path."""

    needs_watch: ClassVar[bool] = True
    inbox: PathText
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a TouchedFile for each file whose date was restored, and at the end one Unwatched.

    The automatic ordering of the inbox stops until the engine ends.
    """
    inbox = folder_of(request.inbox)
    watch = next((watch for watch in engine.ctx.watches.all if watch.inbox == inbox), None)
    if watch is None:
        raise UsageError(f"{request.inbox} is not a watched inbox", "see: imgscore status")
    dry_run = request.dry_run or engine.ctx.config.dry_run
    if not dry_run:
        engine.order_scheduler.suspend(watch.inbox)

    def belongs(path: bytes) -> bool:
        place = engine.ctx.watches.locate(path)
        return place is not None and place.watch == watch

    done: set[str] = set()
    for message in restored(engine, watch.roots(), belongs, dry_run=dry_run):
        if isinstance(message, Result) and message.row.error is None:
            done.add(message.row.path)
        yield message
    left = _left(engine, watch, done if dry_run else set())
    yield Result(
        Unwatched(display_path(watch.inbox), len(done), left, dry_run, _error(watch, left))
    )


def _left(engine: Engine, watch: Watch, would: set[str]) -> int:
    """Return the number of files of a watch whose original date is still in the store.

    `would`: the files whose date would be restored, in a dry run. A file that has its original date
    is not counted.
    """
    from imgscore.store import originals

    left = 0
    with engine.ctx.store.read() as txn:
        for _, original in originals.iter_present(txn):
            place = engine.ctx.watches.locate(original.path)
            if place is None or place.watch != watch or display_path(original.path) in would:
                continue
            mtime_ns = _mtime_ns(original.path)
            left += not original.is_restored and mtime_ns != original.original_ns
    return left


def _mtime_ns(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return None


def _error(watch: Watch, left: int) -> str | None:
    if not left:
        return None
    inbox = display_path(watch.inbox)
    if not os.path.isdir(watch.inbox):
        why, then = f"{inbox} is not there", "when it is there again"
    else:
        why, then = "the files are not there, or their dates cannot be set", "when they can be set"
    return (
        f"{left} original dates were not restored: {why}. imgscore keeps these dates; "
        f"{then}, run: imgscore restore-times {inbox}"
    )
