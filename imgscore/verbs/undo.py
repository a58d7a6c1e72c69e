"""The verb `undo`: undo the last ordering of an inbox, the last label, or the last comparison.

If many labels were cleared or changed at once by moving files, all of them are undone together.

If the verb is called again, it undoes the next older ordering, label or comparison.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import BaseRequest, PathText, Progress, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, display_path, in_parts
from imgscore.verbs.order import TouchedFile, chosen_watches, touched_files
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.schema import EventValue, LabelEvent, Touch
    from imgscore.store.store import Store
    from imgscore.store.transaction import Txn
    from imgscore.workers.messages import PlannedTouch

TOUCH_BATCH = 1000
"""The number of touches of the journal that are read in one step. It takes about 0.03 s."""


class RestoredLabel(msgspec.Struct):
    """An image whose last label was undone."""

    path: str
    """the path of the image when it was labelled; may be empty"""
    sha256: str
    """the digest of the image"""
    label: str | None
    """the present label of the image; null if it has no label"""
    was: str
    """the label that was undone: `keep`, `undecided`, `trash` or `clear`"""
    others: int
    """the number of other images whose labels were undone at the same time"""
    error: str | None = None
    """always null"""
    grade: float | None = None
    """the grade of the present label, from 0 (trash) to 1 (keep); null if it has no label"""
    was_grade: float | None = None
    """the grade that was undone; null if `was` is `clear`"""


class RestoredAnswer(msgspec.Struct):
    """A pair of images whose last answer in `compare` was undone."""

    first: str | None
    """the path of the first image; null if the path is not known"""
    first_sha256: str
    """the digest of the first image"""
    second: str | None
    """the path of the second image; null if the path is not known"""
    second_sha256: str
    """the digest of the second image"""
    answer: str | None
    """the present answer of the pair; null if it has none"""
    was: str
    """the answer that was undone: `first`, `second`, `same`, `skip` or `clear`"""
    others: int
    """the number of other pairs whose answers were undone at the same time: one choice among four
    images answers three pairs"""
    error: str | None = None
    """always null"""


Response = TouchedFile | RestoredLabel | RestoredAnswer


class Request(BaseRequest[Response]):
    """`what`: "order" undoes an ordering, "label" undoes a label, "compare" undoes a comparison.

    `folder`: if it is not None, undo the last ordering that changed files in this folder or below
    it, and only for these files. An undo of labels or comparisons has no folder.
    """

    what: Literal["order", "label", "compare"]
    folder: PathText | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a TouchedFile for each file of the ordering, a RestoredLabel, or a RestoredAnswer."""
    from imgscore.engine import apply

    folder = folder_of(request.folder)
    if request.what != "order":
        if folder is not None:
            raise UsageError(
                f"undo {request.what} takes no folder: it undoes the last one, wherever the images "
                "are",
                "to see the last labels and comparisons: imgscore history",
            )
        undo = _undo_label if request.what == "label" else _undo_comparison
        yield Result(undo(engine, request.dry_run))
        return
    inboxes = {watch.inbox for watch in chosen_watches(engine, request.folder)}
    store = engine.ctx.store
    found = yield from _last_ordering(store, inboxes, folder)
    if found is None:
        where = "" if folder is None else f" in {display_path(folder)}"
        raise ImgscoreError(f"there is no ordering to undo{where}", "see: imgscore history")
    if request.dry_run or engine.ctx.config.dry_run:
        yield from in_parts("listing", [TouchedFile.planned(touch) for touch in found.wanted])
        return
    for inbox in {touch.sighting.inbox for touch in found.wanted}:
        engine.order_scheduler.hold(inbox, held=True)
    undoing = apply.apply_plan(store, found.wanted, str(found.run), "undo")
    yield from touched_files(engine, engine.order_scheduler.run(undoing))


class _Ordering(NamedTuple):
    """The run of an ordering, and the touches that undo it."""

    run: int
    wanted: list[PlannedTouch]


def _last_ordering(
    store: Store, inboxes: set[bytes], folder: bytes | None
) -> Generator[Progress, None, _Ordering | None]:
    """Return the last ordering of `inboxes` that can be undone, or None if there is none.

    If `folder` is not None, use only the touches of files in this folder or below it. A touch that
    was undone before is left out, and so is a touch that can no longer be undone. The journal may
    contain touches of other runs between the touches of an ordering. For example, a file can leave
    the inbox during the ordering, and its original date is then restored. Take a step after each
    TOUCH_BATCH touches of the journal.
    """
    from imgscore.store import journal

    undone: set[tuple[str, bytes]] = set()
    run = 0
    wanted: list[PlannedTouch] = []
    below: int | None = None
    read = total = 0
    while True:
        with store.read() as txn:
            part = list(islice(journal.newest_first(txn, below), TOUCH_BATCH))
            for number, touch in part:
                below, total = number, total or number
                if folder is not None and not within(touch.path, folder):
                    continue
                if touch.reason == "undo":
                    # The `head` of an undo contains the number of the run that was undone.
                    undone.add((touch.head, touch.path))
                    continue
                if touch.reason != "order" or touch.inbox not in inboxes:
                    continue
                if (str(touch.run), touch.path) in undone:
                    continue
                if wanted and touch.run != run:
                    return _Ordering(run, wanted)
                if (planned := _reversed(txn, touch)) is not None:
                    run = touch.run
                    wanted.append(planned)
        if len(part) < TOUCH_BATCH:
            return _Ordering(run, wanted) if wanted else None
        read += len(part)
        yield Progress("reading the journal", read, max(read, total))


def _reversed(txn: Txn, touch: Touch) -> PlannedTouch | None:
    """Return the planned touch that undoes `touch`.

    Return None if the date of the file was changed after `touch`, or if another image is at the
    path of the file now.
    """
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import originals, shifts, sightings
    from imgscore.store.schema import Sighting
    from imgscore.workers.messages import PlannedTouch

    sighting, seen = sightings.find(txn, touch.path), fingerprint_of(touch.path)
    if seen is None:
        return None
    moved_ns = seen.mtime_ns - touch.after_ns
    shifted = shifts.load(txn).explains(moved_ns, seen.mtime_ns)
    if not shifted and not originals.near(touch.after_ns, seen.mtime_ns):
        return None
    if sighting is not None and sighting.digest != touch.digest:
        # Another image is at the path. A sidecar has no sighting, and therefore passes this check.
        return None
    role = sighting.role if sighting is not None else "inbox"
    now = Sighting(touch.path, seen, touch.digest, touch.inbox, role)
    return PlannedTouch(now, touch.before_ns)


def _undo_label(engine: Engine, dry_run: bool) -> RestoredLabel:
    from imgscore.store import labels, mass_changes
    from imgscore.store.schema import LabelEvent

    now_ns = time.time_ns()
    with engine.ctx.store.read() as txn:
        found = _last_labels(txn)
        last = found.all
        mass = mass_changes.find(txn, found.changes[0][0]) if last else None
        before = _before(txn, last)
        undoing = [
            LabelEvent(
                now_ns,
                event.taste,
                event.digest,
                before.get((event.taste, event.digest), "clear"),
                "undo",
                event.path,
            )
            for _, event in last
        ]
    if not last:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    if not dry_run:

        def undo(txn: Txn) -> None:
            for event in reversed(undoing):
                labels.append(txn, event)
            if mass is not None:
                mass_changes.record(txn, msgspec.structs.replace(mass, undone=True))

        engine.ctx.store.commit(undo)
        for taste in sorted({event.taste for event in undoing}):
            engine.trainer.relearn(taste)
        if mass is not None:
            engine.mass_changes.undone()
    first, restored = last[-1][1], undoing[-1]
    return RestoredLabel(
        path=display_path(first.path),
        sha256=first.digest.hex(),
        label=None if restored.grade is None else restored.label,
        was=first.label,
        others=len(found.changes) - 1,
        grade=restored.grade,
        was_grade=first.grade,
    )


def _undo_comparison(engine: Engine, dry_run: bool) -> RestoredAnswer:
    from imgscore.store import comparison_undo
    from imgscore.verbs.compare import undo_answers
    from imgscore.verbs.queries import paths_of

    with engine.ctx.store.read() as txn:
        last = comparison_undo.last_together(txn)
        numbers = [number for number, _ in last]
        found = comparison_undo.withdrawals(txn, numbers, time.time_ns())
    if not last:
        raise ImgscoreError("there is no comparison to undo", "see: imgscore history")
    if not dry_run:
        undo_answers(engine, numbers)
    number, event = last[-1]
    restored = found[number].answer
    paths = paths_of(engine, event.taste, (event.first, event.second))
    return RestoredAnswer(
        first=paths[event.first],
        first_sha256=event.first.hex(),
        second=paths[event.second],
        second_sha256=event.second.hex(),
        answer=None if restored == "clear" else restored,
        was=event.answer,
        others=len(last) - 1,
    )


class _LastLabels(NamedTuple):
    """The label events that an undo undoes, newest first, as (number, event) pairs.

    `changes`: the newest act that changed a label, and is not undone yet. `repeats`: the newer
    events that gave an image the grade that it had already, such as a move to keep/ of an image
    with the label keep. They are undone together with the act: an undo of them alone would change
    nothing that the user sees.
    """

    repeats: list[tuple[int, LabelEvent]]
    changes: list[tuple[int, LabelEvent]]

    @property
    def all(self) -> list[tuple[int, LabelEvent]]:
        return self.repeats + self.changes


def _last_labels(txn: Txn) -> _LastLabels:
    """Return the events that an undo undoes. `changes` is empty if there is no event."""
    log = _LabelLog(txn)
    repeats: list[tuple[int, LabelEvent]] = []
    for act in log.acts():
        if any(log.changed(number, event) for number, event in act):
            return _LastLabels(repeats, act)
        repeats += act
    return _LastLabels([], repeats)


class _LabelLog:
    """The log of the labels, read backwards, as far as needed."""

    def __init__(self, txn: Txn) -> None:
        from imgscore.store import labels

        self._txn = txn
        self._rest = labels.newest_first(txn)
        self._read: list[tuple[int, LabelEvent]] = []
        self._numbers: dict[tuple[str, bytes], list[tuple[int, float | None]]] = {}
        """(number, grade) of each event that was read, by taste and digest, newest first"""

    def acts(self) -> Iterator[list[tuple[int, LabelEvent]]]:
        """Yield the events that are not undone, newest first, in lists of events logged together.

        Events are logged together for the RAW and JPEG files of one photo, for the rows of an
        imported table, and for the images of groups that one command labelled. All events of a mass
        change also belong together. An undo logs one event with the source "undo" for each event
        that it undoes. For each event with this source, this method therefore skips one older
        event. An event with the source "rewrite" is never undone: the image of this event no longer
        exists.
        """
        from imgscore.store import mass_changes

        act: list[tuple[int, LabelEvent]] = []
        undone, mass = 0, None
        for number, event in self._events():
            if event.source == "rewrite":
                continue
            if act and not (mass.first <= number if mass else _is_together(event, act[0][1])):
                yield act
                act = []
            if event.source == "undo":
                undone += 1
            elif undone:
                undone -= 1
            else:
                mass = mass if act else mass_changes.find(self._txn, number)
                act.append((number, event))
        if act:
            yield act

    def changed(self, number: int, event: LabelEvent) -> bool:
        """Return whether an event changed the grade of its image."""
        key = event.taste, event.digest
        while True:
            older = [grade for at, grade in self._numbers.get(key, ()) if at < number]
            if older:
                return older[0] != event.grade
            if self._read_next() is None:
                return event.grade is not None

    def _events(self) -> Iterator[tuple[int, LabelEvent]]:
        at = 0
        while at < len(self._read) or self._read_next() is not None:
            yield self._read[at]
            at += 1

    def _read_next(self) -> tuple[int, LabelEvent] | None:
        row = next(self._rest, None)
        if row is not None:
            number, event = row
            self._read.append(row)
            key = event.taste, event.digest
            self._numbers.setdefault(key, []).append((number, event.grade))
        return row


def _is_together(event: LabelEvent, last: LabelEvent) -> bool:
    """Return whether two label events were logged together.

    A command gives all of its labels one time if they are one act.
    """
    if event.source == last.source == "cli":
        return event.time_ns == last.time_ns
    return (event.time_ns, event.taste, event.path) == (last.time_ns, last.taste, last.path)


def _before(txn: Txn, last: list[tuple[int, LabelEvent]]) -> dict[tuple[str, bytes], EventValue]:
    """Return a dict from (taste, digest) to the label that the image had before the events `last`.

    An image without an earlier label is not in the dict.
    """
    from imgscore.store import labels

    wanted = {(event.taste, event.digest): number for number, event in last}
    before: dict[tuple[str, bytes], EventValue] = {}
    for number, event in labels.newest_first(txn) if wanted else ():
        key = (event.taste, event.digest)
        if key in wanted and number < wanted[key]:
            before[key] = event.value
            del wanted[key]
            if not wanted:
                break
    return before
