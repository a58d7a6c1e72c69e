"""restore-times: give files their own mtime back, all of them or those under a folder.

The inboxes concerned are then held: nothing orders them again until `imgscore order` is called.
"""

import hashlib
import os
from collections.abc import Iterator

import msgspec

from imgscore.engine import arrange
from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.order.touch import Seen, TouchError, touch
from imgscore.reconcile.walk import Found, walk
from imgscore.store import originals
from imgscore.store.schema import Original
from imgscore.verbs.base import Result, Steps, shown, whole_path
from imgscore.verbs.order import row
from imgscore.watches import within


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`folder`: only what lies under it; it may be one that is not watched."""

    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """A row a file that got (or would get) its date back."""
    house = engine.house
    folder = None if request.folder is None else os.path.realpath(whole_path(request.folder))
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"{shown(folder)} is not a folder", "check the name")
    if not request.dry_run:
        for watch in house.watches.all:
            if folder is None or within(watch.inbox, folder) or within(folder, watch.inbox):
                engine.orderer.hold(watch.inbox, held=True)
    with house.store.read() as txn:
        wanted = [
            (digest, original)
            for digest, original in originals.every(txn)
            if folder is None or within(original.path, folder)
        ]
    for entry, error in arrange.put_back(house.store, wanted, dry_run=request.dry_run):
        problem = None if error is None else f"{error.message}: {error.remedy}"
        yield Result(row(entry.path, entry.before_ns, entry.after_ns, problem))
    if folder is not None and house.watches.folder(folder) is None:
        yield from _elsewhere(engine, folder, request.dry_run)


def _elsewhere(engine: Engine, folder: bytes, dry_run: bool) -> Iterator[Result]:
    """Files that were moved out of the watch with a date of ours: known by their bytes."""
    for entry in walk(folder):
        if not isinstance(entry, Found) or engine.house.watches.folder(entry.path) is not None:
            continue
        held = _held(engine, entry)
        if held is None:
            continue
        seen = entry.seen
        problem = None
        if not dry_run:
            try:
                touch(entry.path, Seen(seen.dev, seen.ino, seen.mtime_ns), held.original_ns)
            except TouchError as error:
                problem = f"{error.message}: {error.remedy}"
        yield Result(row(entry.path, seen.mtime_ns, held.original_ns, problem))


def _held(engine: Engine, entry: Found) -> Original | None:
    try:
        with open(entry.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
    with engine.house.store.read() as txn:
        known = originals.of_digest(txn, digest)
    return next((one for one in known if originals.is_ours(one, entry.seen.mtime_ns)), None)
