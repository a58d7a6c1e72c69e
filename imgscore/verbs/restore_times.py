"""The verb `restore-times`: restore the original mtime of all files, or of some files and folders.

If files of an inbox are restored, the automatic ordering of this inbox stops. It starts again when
the user runs `imgscore order`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from imgscore.errors import StoreError
from imgscore.messages import BaseRequest, PathText, PathTexts, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, absolute_path, display_path
from imgscore.verbs.order import TouchedFile, parts
from imgscore.watches import Watch, within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.schema import FileAt, Fingerprint, Sighting
    from imgscore.store.shifts import Shifts


class FilesElsewhere(msgspec.Struct):
    """The last row, if files left the watched folders while they had a date of imgscore."""

    elsewhere: int
    """the number of files that were deleted or moved out of the watched folders"""
    error: str | None = None
    """always null"""


Response = TouchedFile | FilesElsewhere


class Request(BaseRequest[Response]):
    """`folder`: restore only files in this folder or below it.

    `paths`: restore only these files, and the files in these folders or below them. Without folder
    and paths, restore all files.
    """

    any_folder: ClassVar[bool] = True
    folder: PathText | None = None
    dry_run: bool = False
    paths: PathTexts | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a TouchedFile for each file whose date was restored.

    In a dry run, no date is restored. The rows show the changes that would be made.
    """
    from imgscore.store import checksums

    ctx = engine.ctx
    chosen = [] if request.folder is None else [folder_of(request.folder)]
    chosen += [_resolved(path) for path in request.paths or ()]
    roots = [path for path in chosen if path is not None]
    for path in roots:
        if not os.path.lexists(path):
            error = "there is no such file: check the name of the file"
            yield Result(TouchedFile(display_path(path), None, None, error=error))
    dry_run = request.dry_run or ctx.config.dry_run
    if not dry_run:
        for watch in ctx.watches.all:
            if not roots or any(_concerns(engine, watch, path) for path in roots):
                engine.order_scheduler.hold(watch.inbox, held=True)
    yield from restored(
        engine,
        roots or ctx.watches.roots(),
        lambda path: not roots or any(within(path, root) for root in roots),
        dry_run=dry_run,
    )
    if not roots and (elsewhere := count_elsewhere(engine)):
        yield Result(FilesElsewhere(elsewhere))
    if "originals" in ctx.store.damage:
        raise StoreError(
            "the dates of some files were not restored, because the records of their original "
            "dates are damaged",
            f"{checksums.REMEDY}; then run imgscore restore-times again",
        )


def _resolved(path: str) -> bytes:
    """Return the absolute path of a file or folder. Only a link to a folder is followed."""
    absolute = absolute_path(path)
    return os.path.realpath(absolute) if os.path.isdir(absolute) else absolute


def count_elsewhere(engine: Engine) -> int:
    """Return the number of files that left their path while they had a date of imgscore.

    Files on a disk that is not connected are not counted.
    """
    from imgscore.store import originals

    watches, offline = engine.ctx.watches, dict[bytes, bool]()
    count = 0
    with engine.ctx.store.read() as txn:
        for _, original in originals.iter_present(txn):
            if original.is_restored or os.path.lexists(original.path):
                continue
            folder = watches.folder(original.path)
            if folder is not None and folder not in offline:
                offline[folder] = not os.path.isdir(folder)
            count += folder is None or not offline[folder]
    return count


def restored(
    engine: Engine, roots: list[bytes], wanted: Callable[[bytes], bool], *, dry_run: bool
) -> Steps[TouchedFile]:
    """Yield a TouchedFile for each file whose date was restored, or in a dry run would be restored.

    `roots`: the files, and the folders in which files without a sighting are searched. `wanted`: a
    function that returns whether the date of the file at a path is to be restored.
    """
    from imgscore.engine import apply

    files, known = _wanted(engine, roots, wanted)
    restoring = apply.restore_times(engine.ctx.store, files, dry_run=dry_run, known=known)
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
    engine: Engine, roots: list[bytes], wanted: Callable[[bytes], bool]
) -> tuple[list[FileAt], Shifts]:
    """Return the files that may have a date of imgscore, and the known shifts of dates.

    The parameters are those of `restored`.
    """
    from imgscore.engine import apply, date_changes
    from imgscore.reconcile import sidecars
    from imgscore.store import originals, sightings

    store = engine.ctx.store
    with store.read() as txn:
        images = [sighting.path for sighting in sightings.iter_all(txn) if wanted(sighting.path)]
        touched = {file for file in originals.touched_files(txn) if wanted(file.path)}
        # A sidecar has no sighting. The digest of its record may be that of old bytes.
        sighted = {file for file in touched if sightings.find(txn, file.path) is not None}
    found = [_look(engine, root) for root in roots]
    unseen = {path for part in found for path in part.unseen if wanted(path)}
    unseen |= {file.path for file in touched - sighted}
    unseen |= {path for path in sidecars.sidecars_of([*images, *unseen]) if wanted(path)}
    hashed = {file for path in unseen if (file := apply.unseen(path)) is not None}
    files = hashed | {file for file in sighted if file.path not in unseen}
    known = date_changes.unscanned(store, (pair for part in found for pair in part.changed))
    return sorted(files, key=lambda file: file.path), known


class _Found(NamedTuple):
    """The files in a folder that differ from their sighting.

    `unseen`: files without a sighting at their present path. A file has no sighting there if, for
    example, the user has just moved the file. `changed`: files with another date than in their
    sighting.
    """

    unseen: list[bytes]
    changed: list[tuple[Sighting, Fingerprint]]


def _look(engine: Engine, root: bytes) -> _Found:
    from imgscore.store import sightings

    found = _Found([], [])
    files = list(_files(root))
    with engine.ctx.store.read() as txn:
        for path, seen in files:
            known = sightings.find(txn, path)
            if known is None or (known.seen.dev, known.seen.ino) != (seen.dev, seen.ino):
                found.unseen.append(path)
            elif known.seen.mtime_ns != seen.mtime_ns:
                found.changed.append((known, seen))
    return found


def _files(root: bytes) -> Iterable[tuple[bytes, Fingerprint]]:
    """Yield the images under a folder with their fingerprints. `root` may also be one file."""
    from imgscore.reconcile.walk import ImageFile, fingerprint_of, walk

    if (seen := fingerprint_of(root)) is not None:
        yield root, seen
        return
    for entry in walk(root):
        if isinstance(entry, ImageFile):
            yield entry.path, entry.seen
