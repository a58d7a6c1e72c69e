"""review: label the image that was looked at, by its digest, and take that back; `move` moves too.

Nothing is read again: the label is about what was shown, whatever lies at the path by now.
"""

import os
import time
from typing import Literal

import msgspec

from imgscore.config import TasteName
from imgscore.engine import moving
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, UsageError
from imgscore.order.move import MoveError
from imgscore.store import labels, sightings
from imgscore.store.schema import DIGEST_SIZE, LabelEvent, LabelName
from imgscore.store.store import Txn
from imgscore.verbs.base import Result, Row, Steps, shown
from imgscore.watches import Place, Watch


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`path`: where the image was shown to lie. `move`: the file too, into the folder of its label.

    `undo`: the last label of this image, and its moves; `label` and `move` are then not asked for.
    """

    sha256: str
    path: str
    taste: TasteName
    label: Literal["keep", "trash"] | None = None
    move: bool = False
    undo: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """One row: the label that holds now, and where the file is. Its error: why it was not moved."""
    try:
        digest = bytes.fromhex(request.sha256)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE or (request.label is None) != request.undo:
        raise UsageError("review: not a sha256 with a label or an undo", "see: imgscore review -h")
    path = os.fsencode(request.path)
    place = engine.house.watches.locate(path)
    share = place is not None and place.watch.siblings
    trouble: MoveError | None = None
    if request.undo:
        event = _undone(engine, request.taste, digest)
        trouble = moving.log_and_move(engine, event, share=share)
    elif request.label is not None:
        event, trouble = _labelled(engine, request, digest, path, place)
        with engine.house.store.read() as txn:
            current = labels.current(txn, request.taste, digest)
        if event.moved or current is None or current.label != request.label:
            trouble = moving.log_and_move(engine, event, share=share) or trouble
    yield Result(_row(engine, request.taste, digest, _now_at(event, path, trouble), trouble))


def _labelled(
    engine: Engine, request: Request, digest: bytes, path: bytes, place: Place | None
) -> tuple[LabelEvent, MoveError | None]:
    """The event to log; with the moves that go with it, it is a label by place."""
    assert request.label is not None
    event = LabelEvent(time.time_ns(), request.taste, digest, request.label, "cli", path)
    if not request.move:
        return event, None
    if engine.house.config.dry_run:
        return event, MoveError(f"{shown(path)} stays", "dry_run is set in the config")
    try:
        with engine.house.store.read() as txn:
            moves = moving.into(txn, *_wanted(txn, digest, path, place, request.label))
    except MoveError as error:
        return event, error
    if not moves:  # it is there already
        return event, None
    taken = msgspec.structs.replace(event, source="place", path=moves[0].target, moved=tuple(moves))
    return taken, None


def _wanted(
    txn: Txn, digest: bytes, path: bytes, place: Place | None, label: LabelName
) -> tuple[Watch, bytes, bytes]:
    """(watch, path, folder) of a move. Raises MoveError where there is none to be done."""
    seen = sightings.find(txn, path)
    if place is None or seen is None or seen.digest != digest or seen.gone_ns:
        raise MoveError(f"{shown(path)} stays: it is not what was shown", "make the page anew")
    folders = place.watch.keep if label == "keep" else place.watch.trash
    if not folders:
        raise MoveError(f"{shown(path)} stays: its watch has no {label} folder", "name one")
    return place.watch, path, folders[0]


def _undone(engine: Engine, taste: str, digest: bytes) -> LabelEvent:
    """The event that takes the last one of a digest back: the label that it had before, as it was.

    Raises ImgscoreError where it has none.
    """
    with engine.house.store.read() as txn:
        own = (one for _, one in labels.log(txn) if (one.taste, one.digest) == (taste, digest))
        last, before = next(own, None), next(own, None)
    if last is None:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    moved, now_ns = tuple(moving.back(last)), time.time_ns()
    if before is None or before.label == "clear":
        path = moved[0].target if moved else last.path
        return LabelEvent(now_ns, taste, digest, "clear", "cli", path, moved)
    return msgspec.structs.replace(before, time_ns=now_ns, moved=moved)


def _now_at(event: LabelEvent, path: bytes, trouble: MoveError | None) -> bytes:
    """Where the file lies after an event."""
    targets = dict(event.moved) if trouble is None else {}
    return targets.get(path, path)


def _row(engine: Engine, taste: str, digest: bytes, path: bytes, trouble: MoveError | None) -> Row:
    with engine.house.store.read() as txn:
        current = labels.current(txn, taste, digest)
    place = engine.house.watches.locate(path)
    return {
        "path": shown(path),
        "place": place.role if place is not None else "elsewhere",
        "sha256": digest.hex(),
        "label": current.label if current is not None else None,
        "head": engine.house.head(taste) or None,
        "error": None if trouble is None else f"{trouble.message}: {trouble.remedy}",
    }
