"""The verb `restore-times`: restore the original mtime of all files, or of the files in a folder.

If files of an inbox are restored, the automatic ordering of this inbox stops. It starts again when
the user runs `imgscore order`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from imgscore.messages import BaseRequest, PathText, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, display_path
from imgscore.verbs.order import TouchedFile, parts
from imgscore.watches import Watch, within

if TYPE_CHECKING:
    from imgscore.engine.apply import HeldOriginal
    from imgscore.engine.engine import Engine
    from imgscore.reconcile.walk import ImageFile
    from imgscore.store.schema import Sighting
    from imgscore.store.store import Store

Response = TouchedFile


class Request(BaseRequest[Response]):
    """`folder`: restore only files in this folder or below it. None means all files."""

    any_folder: ClassVar[bool] = True
    folder: PathText | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a TouchedFile for each file whose date was restored.

    In a dry run, no date is restored. The rows show the changes that would be made.
    """
    ctx = engine.ctx
    folder = folder_of(request.folder)
    dry_run = request.dry_run or ctx.config.dry_run
    if not dry_run:
        for watch in ctx.watches.all:
            if _concerns(engine, watch, folder):
                engine.order_scheduler.hold(watch.inbox, held=True)
    roots = ctx.watches.roots() if folder is None else [folder]
    yield from restored(
        engine, roots, lambda path: folder is None or within(path, folder), dry_run=dry_run
    )


def restored(
    engine: Engine, roots: list[bytes], wanted: Callable[[bytes], bool], *, dry_run: bool
) -> Steps[Response]:
    """Yield a TouchedFile for each file whose date was restored, or in a dry run would be restored.

    `roots`: the folders in which files without a sighting are searched. `wanted`: a function that
    returns whether the date of the file at a path is to be restored.
    """
    from imgscore.engine import apply

    held = _wanted(engine, roots, wanted, dry_run)
    restoring = apply.restore_times(engine.ctx.store, held, dry_run=dry_run)
    job = engine.order_scheduler.run(restoring, dry_run=dry_run)
    waiting = Waiting(engine, engine.order_scheduler)
    for part in parts(job):
        if part is None:
            yield from waiting.step()
            continue
        for touch, error in part:
            problem = None if error is None else f"{error.message}: {error.remedy}"
            path = display_path(touch.path)
            yield Result(TouchedFile(path, touch.before_ns, touch.after_ns, dry_run, problem))


def _concerns(engine: Engine, watch: Watch, folder: bytes | None) -> bool:
    """Return whether `folder` can contain files of the inbox of `watch`.

    Files in the keep and trash folders are not files of the inbox. If `folder` is None, return
    True.
    """
    if folder is None or within(watch.inbox, folder):
        return True
    place = engine.ctx.watches.locate(folder)
    return place is not None and place.watch == watch and place.role == "inbox"


def _wanted(
    engine: Engine, roots: list[bytes], wanted: Callable[[bytes], bool], dry_run: bool
) -> list[HeldOriginal]:
    """Return the originals of the files whose dates are to be restored.

    Each original has the present path of its file. The parameters are those of `restored`.
    """
    from imgscore.engine import apply
    from imgscore.store import originals, sightings

    store = engine.ctx.store
    with store.read() as txn:
        paths = [sighting.path for sighting in sightings.iter_all(txn) if wanted(sighting.path)]
    moved = apply.with_sidecars(store, paths, dry_run=dry_run)
    for root in roots:
        moved += [file for file in _unseen(store, root, dry_run) if wanted(file.original.path)]
    with store.read() as txn:
        held = [
            apply.HeldOriginal(digest, original)
            for digest, original in originals.iter_all(txn)
            if wanted(original.path)
        ]
    known = {(digest, original.path) for digest, original in held}
    held += [file for file in moved if (file.digest, file.original.path) not in known]
    return sorted(held, key=lambda file: file.original.path)


def _unseen(store: Store, folder: bytes, dry_run: bool) -> list[HeldOriginal]:
    """Return the original dates of files in a folder that have no sighting at their present path.

    A file has no sighting there if, for example, the user has just moved the file.
    Files whose date was not set by imgscore are left out.
    """
    from imgscore.engine import apply
    from imgscore.reconcile.walk import ImageFile, walk
    from imgscore.store import sightings

    files = [entry for entry in walk(folder) if isinstance(entry, ImageFile)]
    with store.read() as txn:
        paths = [file.path for file in files if not _is_known(sightings.find(txn, file.path), file)]
    held = [apply.held_of(store, path, dry_run=dry_run) for path in paths]
    beside = apply.with_sidecars(store, paths, dry_run=dry_run)
    return [original for original in held if original is not None] + beside


def _is_known(sighting: Sighting | None, file: ImageFile) -> bool:
    return sighting is not None and (sighting.seen.dev, sighting.seen.ino) == (
        file.seen.dev,
        file.seen.ino,
    )
