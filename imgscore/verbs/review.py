"""review: label the image that was looked at, by its digest, and take that back; `move` moves too.

Only a move looks at the file: a label is about what was shown, whatever lies at the path by now.
"""

import os
import time
from collections.abc import Generator
from typing import Literal

import msgspec

from imgscore.config import TasteName
from imgscore.engine import moving
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, UsageError
from imgscore.order.move import Move, MoveError
from imgscore.reconcile.walk import look_at
from imgscore.store import labels, sightings
from imgscore.store.schema import DIGEST_SIZE, LabelEvent, LabelName
from imgscore.verbs.base import Deadline, Message, Result, Row, Steps, shown

PATIENCE_SECONDS = 30.0


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`path`: where the image was shown to lie. One of three is said of it:

    `label` (with `move`: the file shall go into the folder of its label), `undo`: its last label
    shall be taken back, or `stayed`: the moves that its last label told of could not be done.
    """

    sha256: str
    path: str
    taste: TasteName
    label: Literal["keep", "trash"] | None = None
    move: bool = False
    undo: bool = False
    stayed: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """One row: the label that holds, the moves that are to be done, and where the file is then."""
    try:
        digest = bytes.fromhex(request.sha256)
    except ValueError:
        digest = b""
    said = (request.label is not None) + request.undo + request.stayed
    if len(digest) != DIGEST_SIZE or said != 1:
        raise UsageError("review: not a sha256 and what is said of it", "see: imgscore review -h")
    path, taste, trouble = os.fsencode(request.path), request.taste, None
    place = engine.house.watches.locate(path)
    if request.label is not None:
        event, trouble = yield from _labelled(engine, request, request.label, digest, path)
    else:
        last, before = _last_two(engine, taste, digest)
        event = _undone(last, before) if request.undo else moving.stayed(last)
    with engine.house.store.read() as txn:
        current = labels.current(txn, taste, digest)
    if event.moved or request.label is None or current is None or current.label != event.label:
        moving.log(engine, event, share=place is not None and place.watch.siblings)
    yield Result(_row(engine, event, path, trouble))


def _labelled(
    engine: Engine, request: Request, label: LabelName, digest: bytes, path: bytes
) -> Generator[Message | None, None, tuple[LabelEvent, MoveError | None]]:
    """The event to log, and why it does not move the file; one that does is a label by place."""
    event = LabelEvent(time.time_ns(), request.taste, digest, label, "cli", path)
    if not request.move:
        return event, None
    if engine.house.config.dry_run:
        return event, MoveError(f"{shown(path)} stays", "dry_run is set in the config")
    there = yield from _is_there(engine, request.taste, digest, path)
    try:
        moves = _moves(engine, label, path, there)
    except MoveError as error:
        return event, error
    if not moves:  # it is in that folder already
        return event, None
    taken = msgspec.structs.replace(event, source="place", path=moves[0].target, moved=tuple(moves))
    return taken, None


def _is_there(
    engine: Engine, taste: str, digest: bytes, path: bytes
) -> Generator[Message | None, None, bool]:
    """Whether the image is what lies at the path: as last seen there, else it is looked at.

    No look is then under way: it would find the file where it was, and a label that a place gave
    elsewhere, and take that for a move back.
    """
    deadline, ticket = Deadline(PATIENCE_SECONDS), None
    while not deadline.passed:
        with engine.house.store.read() as txn:
            known = sightings.find(txn, path)
        if not engine.looker.is_under_way(path):
            if known is not None and not known.gone_ns and known.seen == look_at(path):
                return known.digest == digest
            if ticket is not None and ticket.answer is not None:
                return False
            ticket = ticket or engine.looker.ask(path, taste)
        yield None
    return False


def _moves(engine: Engine, label: LabelName, path: bytes, there: bool) -> list[Move]:
    """The moves that a label asks for. Raises MoveError where they cannot be done."""
    place = engine.house.watches.locate(path)
    if place is None or not there:
        raise MoveError(f"{shown(path)} stays: it is not what was shown", "make the page anew")
    folders = place.watch.keep if label == "keep" else place.watch.trash
    if not folders:
        raise MoveError(f"{shown(path)} stays: its watch has no {label} folder", "name one")
    with engine.house.store.read() as txn:
        return moving.into(txn, place.watch, path, folders[0])


def _undone(last: LabelEvent, before: LabelEvent | None) -> LabelEvent:
    """The event that takes the last one of an image back: the label before it, as it was."""
    moved, now_ns = tuple(moving.back(last)), time.time_ns()
    if before is None or before.label == "clear":
        path = moved[0].target if moved else last.path
        return LabelEvent(now_ns, last.taste, last.digest, "clear", "cli", path, moved)
    return msgspec.structs.replace(before, time_ns=now_ns, moved=moved)


def _last_two(engine: Engine, taste: str, digest: bytes) -> tuple[LabelEvent, LabelEvent | None]:
    """The last event of an image, and the one before it. Raises ImgscoreError without any."""
    with engine.house.store.read() as txn:
        own = (one for _, one in labels.log(txn) if (one.taste, one.digest) == (taste, digest))
        last = next(own, None)
        if last is None:
            raise ImgscoreError("there is no label to undo", "see: imgscore history")
        return last, next((one for one in own if not moving.is_corrected(one, last)), None)


def _row(engine: Engine, event: LabelEvent, path: bytes, trouble: MoveError | None) -> Row:
    path = dict(event.moved).get(path, path)
    place = engine.house.watches.locate(path)
    return {
        "path": shown(path),
        "place": place.role if place is not None else "elsewhere",
        "sha256": event.digest.hex(),
        "label": None if event.label == "clear" else event.label,
        "head": engine.house.head(event.taste) or None,
        "moved": [[shown(source), shown(target)] for source, target in event.moved],
        "error": None if trouble is None else f"{trouble.message}: {trouble.remedy}",
    }
