"""review: label the image that was shown, by its digest, or take such a label back.

Reads no image file: the label belongs to the digest that was shown, whatever lies at the path now.
"""

import os
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from imgscore.config import TasteName
from imgscore.engine import siblings
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Result
from imgscore.store import labels
from imgscore.store.schema import DIGEST_SIZE, LabelEvent, LabelName
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Row, Steps, display_path


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`path`: where the image lay when it was shown. Exactly one of these two is given:

    `label`, or `undo`: the number of a label to take back, unless another came after it.
    """

    sha256: str
    path: str
    taste: TasteName
    label: Literal["keep", "trash"] | None = None
    undo: int | None = None


def run(engine: Engine, request: Request) -> Steps:
    """Yields one row: the label that holds now.

    `number`: the number of the label event, for `undo`; None where no event was logged.
    """
    try:
        digest = bytes.fromhex(request.sha256)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE:
        raise UsageError("review: not a sha256", "see: imgscore review -h")
    path, taste = os.fsencode(request.path), request.taste
    if request.label is not None and request.undo is None:
        outcome = _label(engine, taste, digest, path, request.label)
    elif request.undo is not None and request.label is None:
        outcome = _undo(engine, taste, digest, request.undo)
    else:
        raise UsageError("review: give either a label or undo", "see: imgscore review -h")
    number = None
    if outcome.is_new:
        place = engine.ctx.watches.locate(path)
        share = request.undo is None and place is not None and place.watch.siblings
        number = _log(engine, outcome, share=share)
    yield Result(_row(engine, outcome, path) | {"number": number})


class _Outcome(NamedTuple):
    """The event that holds now, whether it is to be logged, and why nothing was undone.

    `siblings`: the events that give siblings back their own labels.
    """

    event: LabelEvent
    error: str | None = None
    is_new: bool = True
    siblings: tuple[LabelEvent, ...] = ()


def _label(engine: Engine, taste: str, digest: bytes, path: bytes, label: LabelName) -> _Outcome:
    """The event that labels an image; it is new unless the image has this label already."""
    event = LabelEvent(time.time_ns(), taste, digest, label, "cli", path)
    with engine.ctx.store.read() as txn:
        current = labels.current(txn, taste, digest)
    return _Outcome(event, is_new=current is None or current.label != label)


def _undo(engine: Engine, taste: str, digest: bytes, number: int) -> _Outcome:
    """The event that restores the label before event `number`; no new one if another came since."""
    own = _log_of(engine, taste, digest)
    last = own[0][1]
    undone = next((event for one, event in own if one == number), None)
    if undone is None or not _restates(last, undone):
        error = f"{display_path(last.path)} was labelled since: see: imgscore history"
        return _Outcome(last, error, is_new=False)
    now_ns = time.time_ns()
    return _Outcome(
        _before(own, number, undone, now_ns),
        siblings=tuple(_siblings_before(engine, undone, now_ns)),
    )


def _restates(event: LabelEvent, other: LabelEvent) -> bool:
    """Whether two events differ in their time alone: what came in between was taken back."""
    return msgspec.structs.replace(event, time_ns=other.time_ns) == other


def _before(
    own: list[tuple[int, LabelEvent]], number: int, undone: LabelEvent, now_ns: int
) -> LabelEvent:
    """The event that restates what held of an image before event `number`."""
    before = next((event for one, event in own if one < number), None)
    if before is None or before.label == "clear":
        return LabelEvent(now_ns, undone.taste, undone.digest, "clear", "cli", undone.path)
    return msgspec.structs.replace(before, time_ns=now_ns)


def _siblings_before(engine: Engine, undone: LabelEvent, now_ns: int) -> Iterator[LabelEvent]:
    """The events that take back the labels which siblings got with `undone` and still have."""
    with engine.ctx.store.read() as txn:
        shared = [
            (number, event)
            for number, event in labels.newest_first(txn)
            if (event.time_ns, event.taste) == (undone.time_ns, undone.taste)
            and event.digest != undone.digest
        ]
    for number, event in shared:
        own = _log_of(engine, event.taste, event.digest)
        if _restates(own[0][1], event):
            yield _before(own, number, event, now_ns)


def _log_of(engine: Engine, taste: str, digest: bytes) -> list[tuple[int, LabelEvent]]:
    """The (number, event) of an image, newest first. Raises ImgscoreError without any."""
    with engine.ctx.store.read() as txn:
        own = [
            one
            for one in labels.newest_first(txn)
            if (one[1].taste, one[1].digest) == (taste, digest)
        ]
    if not own:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    return own


def _log(engine: Engine, outcome: _Outcome, *, share: bool) -> int:
    """Log the events; `share`: siblings get the label too. Returns the label event's number."""

    def append(txn: Txn) -> int:
        for event in outcome.siblings:
            labels.append(txn, event)
        return siblings.append_label(txn, outcome.event, share=share)

    number = engine.ctx.store.commit(append)
    engine.trainer.relearn(outcome.event.taste)
    return number


def _row(engine: Engine, outcome: _Outcome, path: bytes) -> Row:
    event = outcome.event
    return {
        "path": display_path(path),
        "sha256": event.digest.hex(),
        "label": None if event.label == "clear" else event.label,
        "head": engine.ctx.head(event.taste) or None,
        "error": outcome.error,
    }
