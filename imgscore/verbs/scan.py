"""scan: compare the disk with the store, and embed, label, score and order what is new."""

import os

import msgspec

from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.images.version import DECODER_VERSION
from imgscore.messages import Result
from imgscore.reconcile.scan import scan
from imgscore.verbs.base import Steps, absolute_path, display_path, until_idle


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only this one; None = everything watched."""

    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """In a dry run: a row for each path that would be looked at. Else one row of counts."""
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
            for part in scan(ctx.store, ctx.watches, root, DECODER_VERSION):
                yield from (
                    Result({"path": display_path(path), "is": "new"}) for path in part.changed
                )
                yield from (
                    Result({"path": display_path(path), "is": "gone"}) for path in part.gone
                )
                yield None
        return
    for root in roots:
        engine.indexer.hint_tree(root)
    before = engine.indexer.indexed
    yield from until_idle(engine, "looking")
    from imgscore.verbs.status import status

    now = status(engine)
    yield Result(
        {
            "looked": engine.indexer.indexed - before,
            "files": sum(watch["files"] for watch in now["watches"]),
            "scored": sum(watch["scored"] for watch in now["watches"]),
            "failed": len(now["failed"]),
            "error": None,
        }
    )
