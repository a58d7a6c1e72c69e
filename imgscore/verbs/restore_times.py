"""restore-times: give files their own mtime back, all of them or those under a folder.

The inboxes concerned are then held: nothing orders them again until `imgscore order` is called.
"""

import os

import msgspec

from imgscore.engine import apply
from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.messages import Result
from imgscore.reconcile.walk import ImageFile, walk
from imgscore.store import originals, sightings
from imgscore.store.schema import Original, Sighting
from imgscore.store.store import Store
from imgscore.verbs.base import Steps, absolute_path, display_path
from imgscore.verbs.order import parts, row
from imgscore.watches import Watch, within


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only what lies under it; it may be one that is not watched."""

    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """A row a file that got (or would get) its date back."""
    ctx = engine.ctx
    folder = None if request.folder is None else os.path.realpath(absolute_path(request.folder))
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"{display_path(folder)} is not a folder", "check the name")
    dry_run = request.dry_run or ctx.config.dry_run
    if not dry_run:
        for watch in ctx.watches.all:
            if _concerns(engine, watch, folder):
                engine.order_scheduler.hold(watch.inbox, held=True)
    wanted = _wanted(engine, folder, dry_run)
    job = engine.order_scheduler.run(apply.restore_times(ctx.store, wanted, dry_run=dry_run))
    for part in parts(job):
        if part is None:
            yield None
            continue
        for entry, error in part:
            problem = None if error is None else f"{error.message}: {error.remedy}"
            before_ns, after_ns = entry.before_ns, entry.after_ns
            yield Result(row(entry.path, before_ns, after_ns, problem, dry_run=dry_run))


def _concerns(engine: Engine, watch: Watch, folder: bytes | None) -> bool:
    """Whether files of the inbox lie under the folder; those of its keep and trash do not count."""
    if folder is None or within(watch.inbox, folder):
        return True
    place = engine.ctx.watches.locate(folder)
    return place is not None and place.watch == watch and place.role == "inbox"


def _wanted(engine: Engine, folder: bytes | None, dry_run: bool) -> list[tuple[bytes, Original]]:
    """What is held for the files under a folder, where each of them lies now."""
    store = engine.ctx.store
    with store.read() as txn:
        paths = [
            one.path
            for one in sightings.iter_all(txn)
            if folder is None or within(one.path, folder)
        ]
    moved = apply.with_sidecars(store, paths, dry_run=dry_run)
    for root in engine.ctx.watches.roots() if folder is None else [folder]:
        moved += _unseen(store, root, dry_run)
    with store.read() as txn:
        held = [
            (digest, original)
            for digest, original in originals.iter_all(txn)
            if folder is None or within(original.path, folder)
        ]
    there = {(digest, original.path) for digest, original in held}
    held += [one for one in moved if (one[0], one[1].path) not in there]
    return sorted(held, key=lambda one: one[1].path)


def _unseen(store: Store, folder: bytes, dry_run: bool) -> list[tuple[bytes, Original]]:
    """Files with a date of ours that were moved to where nobody has seen them yet, or can."""
    there = [one for one in walk(folder) if isinstance(one, ImageFile)]
    with store.read() as txn:
        paths = [one.path for one in there if not _is_known(sightings.find(txn, one.path), one)]
    found = [apply.held_of(store, path, dry_run=dry_run) for path in paths]
    beside = apply.with_sidecars(store, paths, dry_run=dry_run)
    return [one for one in found if one is not None] + beside


def _is_known(sighting: Sighting | None, found: ImageFile) -> bool:
    return sighting is not None and (sighting.seen.dev, sighting.seen.ino) == (
        found.seen.dev,
        found.seen.ino,
    )
