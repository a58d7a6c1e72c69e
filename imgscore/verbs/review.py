"""review: label the image that was looked at, by its digest, and take that back; `move` moves too.

Only a move looks at the file: a label is about what was shown, whatever lies at the path by now.
"""

import os
import time
from collections.abc import Generator, Iterator
from typing import Literal, NamedTuple

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
IN_DRY_RUN = "dry_run is set in the config"


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`path`: where the image was shown to lie. One of three is said of it:

    `label` (with `move`: the file shall go into the folder of its label), `undo`: the label with
    this number shall be taken back, unless another came after it, or `stayed`: the moves that its
    last label told of could not be done.
    """

    sha256: str
    path: str
    taste: TasteName
    label: Literal["keep", "trash"] | None = None
    move: bool = False
    undo: int | None = None
    stayed: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """One row: the label that holds, the moves that are to be done, and where the file is then.

    `number`: that of the label, for `undo`; None where it is the one that held before.
    """
    try:
        digest = bytes.fromhex(request.sha256)
    except ValueError:
        digest = b""
    count = (request.label is not None) + (request.undo is not None) + request.stayed
    if len(digest) != DIGEST_SIZE or count != 1:
        raise UsageError("review: not a sha256 and what is said of it", "see: imgscore review -h")
    path, taste = os.fsencode(request.path), request.taste
    place = engine.house.watches.locate(path)
    if request.label is not None:
        said = yield from _labelled(engine, request, request.label, digest, path)
    elif request.undo is not None:
        said = yield from _undone(engine, taste, digest, request.undo)
    else:
        said = _Said(moving.stayed(_log_of(engine, taste, digest)[0][1]))
    number = None
    if said.is_new:
        share = request.undo is None and place is not None and place.watch.siblings
        number = moving.log(engine, said.event, said.beside, share=share)
    yield Result(_row(engine, said, path) | {"number": number})


class _Said(NamedTuple):
    """The event that holds now, whether it is to be logged, and what could not be done.

    `beside`: the events of siblings, which get back labels of their own.
    """

    event: LabelEvent
    trouble: MoveError | None = None
    is_new: bool = True
    beside: tuple[LabelEvent, ...] = ()


def _labelled(
    engine: Engine, request: Request, label: LabelName, digest: bytes, path: bytes
) -> Generator[Message | None, None, _Said]:
    """What is said of an image; a label that moves its file is one by place."""
    event = LabelEvent(time.time_ns(), request.taste, digest, label, "cli", path)
    moves: list[Move] = []
    trouble: MoveError | None = None
    if request.move and engine.house.config.dry_run:
        trouble = MoveError(f"{shown(path)} stays", IN_DRY_RUN)
    elif request.move:
        there = yield from _is_there(engine, request.taste, digest, path)
        try:
            moves = _moves(engine, label, path, there)
        except MoveError as error:
            trouble = error
    if moves:
        path = moves[0].target
        return _Said(msgspec.structs.replace(event, source="place", path=path, moved=tuple(moves)))
    with engine.house.store.read() as txn:
        current = labels.current(txn, request.taste, digest)
    return _Said(event, trouble, is_new=current is None or current.label != label)


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


def _undone(
    engine: Engine, taste: str, digest: bytes, number: int
) -> Generator[Message | None, None, _Said]:
    """What takes a label back: the label before it, as it was; nothing, if another came since."""
    deadline = Deadline(PATIENCE_SECONDS)
    while True:
        own = _log_of(engine, taste, digest)
        last = own[0][1]
        said = next((event for one, event in own if one == number), None)
        if said is None or not moving.restates(last, said):
            since = MoveError(f"{shown(last.path)} was labelled since", "see: imgscore history")
            return _Said(msgspec.structs.replace(last, moved=()), since, is_new=False)
        # A look that is under way would find the file where it was, and take that for a label.
        paths = {path for one in said.moved for path in one}
        if deadline.passed or not any(map(engine.looker.is_under_way, paths)):
            break
        yield None
    dry_run = engine.house.config.dry_run
    moved, now_ns = moving.back(said, dry_run=dry_run), time.time_ns()
    trouble = MoveError(f"{shown(said.path)} stays", IN_DRY_RUN) if said.moved and dry_run else None
    beside = tuple(_beside(engine, said, now_ns))
    return _Said(_before(own, number, said, now_ns, moved), trouble, beside=beside)


def _before(
    own: list[tuple[int, LabelEvent]],
    number: int,
    said: LabelEvent,
    now_ns: int,
    moved: tuple[Move, ...] = (),
) -> LabelEvent:
    """The event that says again what held of an image before the one with this number."""
    earlier = (event for one, event in own if one < number)
    before = next((one for one in earlier if not moving.is_corrected(one, said)), None)
    if before is None or before.label == "clear":
        path = moved[0].target if moved else said.path
        return LabelEvent(now_ns, said.taste, said.digest, "clear", "cli", path, moved)
    return msgspec.structs.replace(before, time_ns=now_ns, moved=moved)


def _beside(engine: Engine, said: LabelEvent, now_ns: int) -> Iterator[LabelEvent]:
    """What takes back the labels that siblings got with this one, and still have."""
    with engine.house.store.read() as txn:
        shared = [
            one
            for one in labels.log(txn)
            if (one[1].time_ns, one[1].taste) == (said.time_ns, said.taste)
            and one[1].digest != said.digest
        ]
    for number, event in shared:
        own = _log_of(engine, event.taste, event.digest)
        if moving.restates(own[0][1], event):
            yield _before(own, number, event, now_ns)


def _log_of(engine: Engine, taste: str, digest: bytes) -> list[tuple[int, LabelEvent]]:
    """The (number, event) of an image, newest first. Raises ImgscoreError without any."""
    with engine.house.store.read() as txn:
        own = [one for one in labels.log(txn) if (one[1].taste, one[1].digest) == (taste, digest)]
    if not own:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    return own


def _row(engine: Engine, said: _Said, path: bytes) -> Row:
    event, trouble = said.event, said.trouble
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
