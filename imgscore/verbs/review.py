"""The verb `review`: set or undo the label of an image, or of a group, on the review page.

The request names an image by its digest. No image file is read. The image gets the label even if
another image is at its path now.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from imgscore.config import TasteName
from imgscore.errors import ImgscoreError, UsageError
from imgscore.grades import GradeText, parse
from imgscore.messages import MAX_ITEMS, BaseRequest, Number, PathText, Result, Sha256Text
from imgscore.store import labels
from imgscore.store.schema import DIGEST_SIZE, LabelEvent, stored_grade
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.group_labels import keep_and_trash, undo_together

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.group_labels import Member
    from imgscore.store.transaction import Txn

DIGEST_PATTERN = "^[0-9a-f]{64}$"


class Response(msgspec.Struct):
    """The label of an image after the verb has run."""

    path: str
    """the path of the image when the page was made"""
    sha256: str
    """the digest of the image"""
    label: str | None
    """the present label: `keep`, `undecided` or `trash`; null if the image has no label"""
    head: str | None
    """the version of the head in use; null if there is no head"""
    error: str | None
    """the reason why the label was not undone; null if there is no error"""
    number: int | None
    """the number of the label in the log, for a later `undo`; null if nothing was logged"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null if the image has no label"""


class GroupImage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An image of a group. `path`: its path when the page was made."""

    sha256: Annotated[str, msgspec.Meta(pattern=DIGEST_PATTERN)]
    path: PathText


GroupImages = Annotated[tuple[GroupImage, ...], msgspec.Meta(max_length=MAX_ITEMS)]


class GroupAct(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One act on the images of a group.

    `keep`, `trash`: the images that get these labels. A label with this name stays: 4 stars are a
    label keep. If a RAW or its JPEG is in `keep`, both get the label keep. `undo`: the numbers of
    the labels to undo. An act has either images or numbers.
    """

    keep: GroupImages = ()
    trash: GroupImages = ()
    undo: Annotated[tuple[Number, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()


class Request(BaseRequest[Response]):
    """`path`: the path of the image when the page was made.

    The request has either `label`, `undo` or `group`. `label`: the label to set, as a word or as
    stars. `undo`: the number of the label to undo. If a later label has replaced it, nothing is
    undone. `group`: an act on several images; the request then has no `sha256`.
    """

    taste: TasteName
    sha256: Sha256Text = ""
    path: PathText = ""
    label: GradeText | None = None
    undo: Number | None = None
    group: GroupAct | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Set or undo a label, and yield one Response; or one for each image of a group."""
    if request.group is not None:
        if request.sha256 or request.label is not None or request.undo is not None:
            raise UsageError(
                "review: give the argument group alone, with the taste", "see: imgscore review -h"
            )
        yield from map(Result, _act(engine, request.taste, request.group))
        return
    try:
        digest = bytes.fromhex(request.sha256)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE:
        raise UsageError(f"review: {request.sha256!r} is not a sha256", "see: imgscore review -h")
    path, taste = os.fsencode(request.path), request.taste
    if request.label is not None and request.undo is None:
        outcome = _label(engine, taste, digest, path, parse(request.label))
    elif request.undo is not None and request.label is None:
        outcome = _undo(engine, taste, digest, request.undo)
    else:
        raise UsageError(
            "review: give the argument label or the argument undo, not both",
            "see: imgscore review -h",
        )
    number = None
    if outcome.is_new:
        place = engine.ctx.watches.locate(path)
        share = request.undo is None and place is not None and place.watch.siblings
        number = _log(engine, outcome, share=share)
    event = outcome.event
    yield Result(
        Response(
            path=display_path(path),
            sha256=event.digest.hex(),
            label=None if event.grade is None else event.label,
            head=engine.ctx.head(event.taste) or None,
            error=outcome.error,
            number=number,
            grade=event.grade,
        )
    )


def _act(engine: Engine, taste: str, act: GroupAct) -> list[Response]:
    """Label the images of a group, or undo these labels. Return a row for each image."""
    if bool(act.undo) == bool(act.keep or act.trash):
        raise UsageError(
            "review: a group needs images or numbers to undo, not both", "see: imgscore review -h"
        )
    if act.undo:
        undone, later = undo_together(engine, taste, act.undo)
        rows = _rows(engine, taste, (((event.digest, event.path), None) for event in undone))
        kept = _rows(engine, taste, (((event.digest, event.path), None) for event in later))
        for row in kept:
            row.error = f"{row.path} has a later label; see: imgscore history"
        return [*rows, *kept]
    labelled = keep_and_trash(engine, taste, _members(act.keep), _members(act.trash))
    return _rows(engine, taste, labelled.items())


def _members(images: Iterable[GroupImage]) -> list[Member]:
    from imgscore.engine.group_labels import Member

    return [Member(bytes.fromhex(image.sha256), os.fsencode(image.path)) for image in images]


def _rows(
    engine: Engine, taste: str, images: Iterable[tuple[tuple[bytes, bytes], int | None]]
) -> list[Response]:
    """Return the present label of each ((digest, path), number of its event)."""
    head = engine.ctx.head(taste) or None
    rows: list[Response] = []
    with engine.ctx.store.read() as txn:
        for (digest, path), number in images:
            current = labels.current(txn, taste, digest)
            rows.append(
                Response(
                    path=display_path(path),
                    sha256=digest.hex(),
                    label=current.label if current else None,
                    head=head,
                    error=None,
                    number=number,
                    grade=current.grade if current else None,
                )
            )
    return rows


class _Outcome(NamedTuple):
    """The label events that a request causes, before they are logged.

    `event`: the event that sets the label of the image. `error`: the reason why nothing was undone,
    or None. `is_new`: true if `event` must be logged. `siblings`: the events that restore the
    labels of the siblings, which are the RAW and JPEG files of the same photo.
    """

    event: LabelEvent
    error: str | None = None
    is_new: bool = True
    siblings: tuple[LabelEvent, ...] = ()


def _label(engine: Engine, taste: str, digest: bytes, path: bytes, grade: float) -> _Outcome:
    """Return the outcome of labelling an image.

    `is_new` is false if the image already has this label.
    """
    event = LabelEvent(time.time_ns(), taste, digest, stored_grade(grade), "cli", path)
    with engine.ctx.store.read() as txn:
        current = labels.current(txn, taste, digest)
    return _Outcome(event, is_new=current is None or current.grade != grade)


def _undo(engine: Engine, taste: str, digest: bytes, number: int) -> _Outcome:
    """Return the outcome of undoing the label event with this number.

    The image gets the label back that it had before the event. If a later label has replaced the
    label, the outcome contains an error and the last event of the image.
    """
    own = _log_of(engine, taste, digest)
    last = own[0][1]
    undone = next((event for logged, event in own if logged == number), None)
    if undone is None or not _restates(last, undone):
        error = f"{display_path(last.path)} has a later label; see: imgscore history"
        return _Outcome(last, error, is_new=False)
    now_ns = time.time_ns()
    return _Outcome(
        _before(own, number, undone, now_ns),
        siblings=tuple(_siblings_before(engine, undone, now_ns)),
    )


def _restates(event: LabelEvent, other: LabelEvent) -> bool:
    """Return whether two label events are equal, apart from the time.

    If two different events are equal, the later event restored the label of the earlier event.
    """
    return msgspec.structs.replace(event, time_ns=other.time_ns) == other


def _before(
    own: list[tuple[int, LabelEvent]], number: int, undone: LabelEvent, now_ns: int
) -> LabelEvent:
    """Return a new event, with the label that the image had before event `number`.

    `own`: the (number, event) pairs of the image, newest first. `undone`: event `number`.
    `now_ns`: the time of the new event.
    """
    before = next((event for logged, event in own if logged < number), None)
    if before is None or before.grade is None:
        return LabelEvent(now_ns, undone.taste, undone.digest, "clear", "cli", undone.path)
    return msgspec.structs.replace(before, time_ns=now_ns)


def _siblings_before(engine: Engine, undone: LabelEvent, now_ns: int) -> Iterator[LabelEvent]:
    """Yield the events that restore the earlier labels of siblings.

    A sibling is included if it got its label together with `undone`, and still has this label.
    """
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
    """Return the label events of an image as (number, event) pairs, newest first.

    Raises ImgscoreError if the image has no events.
    """
    with engine.ctx.store.read() as txn:
        own = [
            (number, event)
            for number, event in labels.newest_first(txn)
            if (event.taste, event.digest) == (taste, digest)
        ]
    if not own:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    return own


def _log(engine: Engine, outcome: _Outcome, *, share: bool) -> int:
    """Log the events of `outcome`, and return the number of `outcome.event` in the log.

    `share`: if true, the siblings of the image get the label too.
    """
    from imgscore.engine import siblings

    def append(txn: Txn) -> int:
        for event in outcome.siblings:
            labels.append(txn, event)
        return siblings.append_label(txn, outcome.event, share=share)

    number = engine.ctx.store.commit(append)
    engine.trainer.relearn(outcome.event.taste)
    return number
