"""The verb `scan`: find new images in the watched folders and process them.

imgscore embeds, scores and orders the images, and learns from those in keep/ and trash/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path, until_idle

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class ChangedFile(msgspec.Struct):
    """A file that was added, changed or deleted. These rows are printed only with --dry-run."""

    path: str
    """the path of the file"""
    is_: str = msgspec.field(name="is")
    """`new` for a new or changed file; `gone` for a deleted file"""


class Scanned(msgspec.Struct):
    """The result of a scan. This row is not printed with --dry-run."""

    looked: int
    """the number of files that imgscore read during the scan"""
    files: int
    """the number of images in the inboxes"""
    scored: int
    """the number of images in the inboxes that have a score"""
    failed: int
    """the number of files that failed; `imgscore status` lists these files"""
    error: str | None = None
    """always null"""


Response = ChangedFile | Scanned


class Request(BaseRequest[Response]):
    """`folder`: scan only this folder. None means the folders of all watches."""

    works_on_battery: ClassVar[bool] = True
    needs_watch: ClassVar[bool] = True
    folder: PathText | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Scan, and yield one Scanned. In a dry run, yield only a ChangedFile for each changed file."""
    from imgscore.verbs.status import status

    ctx = engine.ctx
    roots = ctx.watches.roots()
    folder = folder_of(request.folder)
    if folder is not None:
        roots = [folder]
    if request.dry_run:
        for root in roots:
            yield from _changes(engine, root)
        return
    for root in roots:
        engine.indexer.hint_tree(root)
        engine.indexer.retry_unread(root)
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
        for file in part.changed:
            yield Result(ChangedFile(display_path(file.path), "new"))
        for path in part.gone:
            yield Result(ChangedFile(display_path(path), "gone"))
        yield None
