"""The verb `apply`: list the labelled files in inboxes, and prepare the undo of their move.

This verb moves no file: the daemon may not. The command `apply` moves the files in its own process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from imgscore.config import TasteName
from imgscore.errors import ConfigError
from imgscore.grades import LabelName
from imgscore.messages import BaseRequest, Message, PathText, Result, Sha256Text
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, display_path, in_turn
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket
    from imgscore.store.schema import Label, LabelEvent, Sighting
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watches

PAGE = 2000
"""The largest number of labels that one request reads. It takes about 0.05 s."""
MAX_RETURNS = 1000
"""The largest number of files in one request that prepares the undo of moves."""
SHA256_PATTERN = r"^([0-9a-f]{64})?$(?!\n)"


class DueMove(msgspec.Struct):
    """A labelled file in an inbox, and the path to which it should move."""

    path: str
    target: str
    """the path in the folder of the label, with the subfolders that the file has in the inbox"""
    folder: str
    """the folder that teaches exactly the grade of the label"""
    sha256: str
    taste: str
    label: LabelName
    grade: float
    seen: tuple[int, int, int, int, int]
    """device, inode, size, ctime and mtime (in nanoseconds) when the file was read last"""
    siblings: bool
    """whether a RAW and a JPEG with the same name belong together"""


class Page(msgspec.Struct):
    """A part of the list of labelled files.

    `staying`: the number of labelled files in this part for whose grade there is no folder.
    `after`: the place at which the next part begins, as the taste and the digest of the last label
    in this part; null if the list ends here.
    """

    moves: list[DueMove]
    staying: int
    after: tuple[str, str] | None


class MovedFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An image that is about to be moved back. `path`: its present path.

    `sha256`: its digest when it was moved; null if it had no label. `grade`: the grade of its label
    at that time.
    """

    path: PathText
    taste: TasteName
    sha256: Sha256Text | None = None
    grade: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class Prepared(msgspec.Struct):
    """The images that can move back, in the order of the request.

    `problems`: for each image, the reason why it must stay; null if it can move.
    """

    problems: list[str | None]


Response = Page | Prepared


class Request(BaseRequest[Response]):
    """`action`: "list" yields a Page. "return" yields Prepared: each image in `files` then has the
    label that it had before its move, as a command label, so that the way back does not clear it.

    `folder`: list only files in this folder or below it. `after`: the place at which the list
    begins, from the Page before.
    """

    action: Literal["list", "return"] = "list"
    folder: PathText | None = None
    after: tuple[TasteName, Annotated[str, msgspec.Meta(pattern=SHA256_PATTERN)]] | None = None
    files: Annotated[tuple[MovedFile, ...], msgspec.Meta(max_length=MAX_RETURNS)] = ()


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row: a Page, or Prepared."""
    if request.action == "return":
        yield from _prepare(engine, request.files)
        return
    if not engine.ctx.watches.all:
        raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
    yield Result(_page(engine, folder_of(request.folder), request.after))


# ---- the list of labelled files


def _page(engine: Engine, folder: bytes | None, after: tuple[str, str] | None) -> Page:
    watches = engine.ctx.watches
    page = Page([], 0, None)
    with engine.ctx.store.read() as txn:
        labelled = list(islice(_labelled(txn, {w.taste for w in watches.all}, after), PAGE))
        for found in labelled:
            for move in _moves(txn, watches, found):
                if folder is not None and not within(os.fsencode(move.path), folder):
                    continue
                if move.folder:
                    page.moves.append(move)
                else:
                    page.staying += 1
    if len(labelled) == PAGE:
        page.after = labelled[-1].taste, labelled[-1].digest.hex()
    return page


class _Labelled(NamedTuple):
    taste: str
    digest: bytes
    label: Label


def _labelled(txn: Txn, tastes: set[str], after: tuple[str, str] | None) -> Iterator[_Labelled]:
    from imgscore.store import labels

    begin, digest = (after[0], bytes.fromhex(after[1])) if after else ("", b"")
    for taste in sorted(tastes):
        if taste >= begin:
            last = digest if taste == begin else b""
            for found, label in labels.iter_after(txn, taste, last):
                yield _Labelled(taste, found, label)


def _moves(txn: Txn, watches: Watches, labelled: _Labelled) -> Iterator[DueMove]:
    from imgscore.store import sightings

    taste, digest, label = labelled
    inboxes = {watch.inbox: watch for watch in watches.all if watch.taste == taste}
    for sighting in sightings.of_digest(txn, digest) or _unrecorded(txn, watches, labelled):
        if sighting.gone_ns or sighting.role != "inbox" or sighting.inbox not in inboxes:
            continue
        watch, seen = inboxes[sighting.inbox], sighting.seen
        folder = watch.folder_for(label.grade)
        below = sighting.path[len(watch.inbox) + 1 :]
        target = os.path.join(folder, below) if folder else b""
        if watches.folder(target) != folder:
            folder = None  # A folder with another label is in the way.
        yield DueMove(
            path=display_path(sighting.path),
            target=display_path(target),
            folder=display_path(folder or b""),
            sha256=digest.hex(),
            taste=taste,
            label=label.label,
            grade=label.grade,
            seen=(seen.dev, seen.ino, seen.size, seen.ctime_ns, seen.mtime_ns),
            siblings=watch.siblings,
        )


def _unrecorded(txn: Txn, watches: Watches, labelled: _Labelled) -> list[Sighting]:
    """Return a record for a file that was labelled but not scanned yet.

    Its fingerprint is not known, so the file is read before it is moved.
    """
    from imgscore.store import sightings
    from imgscore.store.schema import Fingerprint, Sighting

    path = labelled.label.path
    place = watches.image_place(path) if path else None
    if place is None or sightings.find(txn, path) is not None or not os.path.lexists(path):
        return []
    unknown = Fingerprint(0, 0, 0, 0, 0)
    return [Sighting(path, unknown, labelled.digest, place.watch.inbox, place.role)]


# ---- the undo of moves


def _prepare(engine: Engine, files: tuple[MovedFile, ...]) -> Steps[Prepared]:
    from imgscore.store import labels

    digests = yield from _present(engine, [os.fsencode(file.path) for file in files])
    problems: list[str | None] = []
    events: list[LabelEvent] = []
    with engine.ctx.store.read() as txn:
        for file, digest in zip(files, digests, strict=True):
            changed = file.sha256 is not None and (digest is None or digest.hex() != file.sha256)
            problems.append("it was changed after it was moved" if changed else None)
            if digest is not None and not changed:
                events += _restoring(txn, file, digest)

    def restore(txn: Txn) -> None:
        for event in events:
            labels.append(txn, event)

    if events:
        engine.ctx.store.commit(restore)
    yield Result(Prepared(problems))


def _present(
    engine: Engine, paths: list[bytes]
) -> Generator[Message[Any] | None, None, list[bytes | None]]:
    """Return the digest of the file at each path, or None if there is no readable file.

    After this call, the store has recorded these files at these paths. A later change of their
    place is then a move from there.
    """
    from imgscore.verbs.score import digest_of

    known = {path: digest for path in paths if (digest := _known(engine, path)) is not None}
    waiting = Waiting(engine, engine.indexer)
    unknown = (path for path in paths if path not in known)
    for ticket in in_turn(_index(engine, unknown)):
        if ticket is None:
            yield from waiting.step()
        elif (digest := digest_of(ticket)) is not None:
            while not _is_recorded(engine, ticket.path, digest):
                yield from waiting.step()
            known[ticket.path] = digest
    return [known.get(path) for path in paths]


def _index(engine: Engine, paths: Iterator[bytes]) -> Iterator[IndexTicket]:
    for path in paths:
        place = engine.ctx.watches.locate(path)
        yield engine.indexer.ask(path, place.watch.taste if place else "default")


def _known(engine: Engine, path: bytes) -> bytes | None:
    """Return the digest of an unchanged file that the store has recorded at this path."""
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import sightings

    with engine.ctx.store.read() as txn:
        sighting = sightings.find(txn, path)
    if sighting is None or sighting.gone_ns or sighting.seen != fingerprint_of(path):
        return None
    return sighting.digest


def _is_recorded(engine: Engine, path: bytes, digest: bytes) -> bool:
    """Return whether the store has recorded a file that was indexed, or whether it never will."""
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import sightings

    if engine.ctx.watches.image_place(path) is None:
        return True
    with engine.ctx.store.read() as txn:
        sighting = sightings.find(txn, path)
    return sighting is not None and (
        sighting.digest == digest or sighting.seen == fingerprint_of(path)
    )


def _restoring(txn: Txn, file: MovedFile, digest: bytes) -> Iterator[LabelEvent]:
    """Yield the event that gives an image the label that it had before its move.

    An image whose label was changed after the move by a command keeps its present label.
    """
    from imgscore.reconcile.label_rules import FROM_FOLDER
    from imgscore.store import labels
    from imgscore.store.schema import LabelEvent, event_value

    current = labels.current(txn, file.taste, digest)
    if current is None or current.source not in FROM_FOLDER:
        return
    if file.grade is not None and file.grade != current.grade:
        return
    value, path = event_value(file.grade), os.fsencode(file.path)
    yield LabelEvent(time.time_ns(), file.taste, digest, value, "undo", path)
