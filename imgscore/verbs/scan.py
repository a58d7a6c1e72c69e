"""scan: compare the disk with the store, then embed, label, score and order new images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.errors import UsageError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps, absolute_path, display_path, until_idle

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class ChangedFile(msgspec.Struct):
    """With --dry-run: a file that would be read, or whose sighting would be deleted."""

    path: str
    """the file"""
    is_: str = msgspec.field(name="is")
    """`new` for a new or changed file, or `gone`"""


class Scanned(msgspec.Struct):
    """Without --dry-run: what was done."""

    looked: int
    """files that were read"""
    files: int
    """images in the inboxes"""
    scored: int
    """images in the inboxes that have a score"""
    failed: int
    """files that failed; `imgscore status` names them"""
    error: str | None = None
    """always null"""


Response = ChangedFile | Scanned


class Request(BaseRequest[Response]):
    """`folder`: only this one; None = every watch."""

    works_on_battery: ClassVar[bool] = True
    needs_watch: ClassVar[bool] = True
    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """In a dry run, yield a row for each file that has changed; else one row of counts."""
    from imgscore.verbs.status import status

    ctx = engine.ctx
    roots = ctx.watches.roots()
    if request.folder is not None:
        root = os.path.realpath(absolute_path(request.folder))
        if ctx.watches.folder(root) is None:
            raise UsageError(
                f"{display_path(root)} is not in a watched folder",
                "watch it with: imgscore init INBOX",
            )
        roots = [root]
    if request.dry_run:
        for root in roots:
            yield from _changes(engine, root)
        return
    for root in roots:
        engine.indexer.hint_tree(root)
    before = engine.indexer.indexed
    yield from until_idle(engine, "scanning")
    now = status(engine)
    yield Result(
        Scanned(
            looked=engine.indexer.indexed - before,
            files=sum(watch.files for watch in now.watches),
            scored=sum(watch.scored for watch in now.watches),
            failed=len(now.failed),
        )
    )


def _changes(engine: Engine, root: bytes) -> Steps[Response]:
    from imgscore.images.version import DECODER_VERSION
    from imgscore.reconcile.scan import scan

    for part in scan(engine.ctx.store, engine.ctx.watches, root, DECODER_VERSION):
        for path in part.changed:
            yield Result(ChangedFile(display_path(path), "new"))
        for path in part.gone:
            yield Result(ChangedFile(display_path(path), "gone"))
        yield None
