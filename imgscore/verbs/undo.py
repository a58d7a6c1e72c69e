"""undo: take back the last ordering of an inbox, or the last label; again, the one before."""

import time
from typing import Literal

import msgspec

from imgscore.engine import apply
from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import journal, labels, originals, sightings
from imgscore.store.schema import EventName, LabelEvent, Sighting, Touch
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.order import chosen, row, rows
from imgscore.workers.messages import PlannedTouch


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`what`: an ordering or a label. `folder`: of which inbox, for an ordering."""

    what: Literal["order", "label"]
    folder: str | None = None
    dry_run: bool = False


def run(engine: Engine, request: Request) -> Steps:
    """A row a touch, or one row with the label that holds now."""
    if request.what == "label":
        yield Result(_undo_label(engine, request.dry_run))
        return
    inboxes = {watch.inbox for watch in chosen(engine, request.folder)}
    store = engine.ctx.store
    with store.read() as txn:
        touches = _last_ordering(txn, inboxes)
        wanted = [one for one in (_back(txn, touch) for touch in touches) if one is not None]
    if not touches:
        raise ImgscoreError("there is no ordering to undo", "see: imgscore history")
    if request.dry_run or engine.ctx.config.dry_run:
        for one in wanted:
            path, before_ns = one.sighting.path, one.sighting.seen.mtime_ns
            yield Result(row(path, before_ns, one.after_ns, dry_run=True))
        return
    for inbox in {touch.inbox for touch in touches}:
        engine.order_scheduler.hold(inbox, held=True)
    back = apply.apply_plan(store, wanted, str(touches[0].run), "undo")
    yield from rows(engine.order_scheduler.run(back))


def _last_ordering(txn: Txn, inboxes: set[bytes]) -> list[Touch]:
    """The touches of the newest ordering that is not undone yet.

    Between its parts others may lie: a file that left meanwhile was given its own date back.
    """
    undone: set[str] = set()
    found: list[Touch] = []
    for _, touch in journal.newest_first(txn):
        if touch.reason == "undo":
            undone.add(touch.head)  # an undo names the run that it takes back
        elif found:
            if touch.run == found[0].run:
                found.append(touch)
            elif touch.run < found[0].run:
                break
        elif touch.reason == "order" and touch.inbox in inboxes and str(touch.run) not in undone:
            found.append(touch)
    return found


def _back(txn: Txn, touch: Touch) -> PlannedTouch | None:
    """The touch that takes another back; None where the file has another date by now."""
    sighting, seen = sightings.find(txn, touch.path), fingerprint_of(touch.path)
    if seen is None or not originals.near(touch.after_ns, seen.mtime_ns):
        return None
    if sighting is not None and sighting.digest != touch.digest:
        return None  # without a sighting it is a sidecar, known by its date
    role = sighting.role if sighting is not None else "inbox"
    now = Sighting(touch.path, seen, touch.digest, touch.inbox, role)
    return PlannedTouch(now, touch.before_ns)


def _undo_label(engine: Engine, dry_run: bool) -> dict[str, object]:
    now_ns = time.time_ns()
    with engine.ctx.store.read() as txn:
        last = _last_labels(txn)
        before = _before(txn, last)
        backs = [
            LabelEvent(
                now_ns,
                one.taste,
                one.digest,
                before.get((one.taste, one.digest), "clear"),
                "undo",
                one.path,
            )
            for _, one in last
        ]
    if not last:
        raise ImgscoreError("there is no label to undo", "see: imgscore history")
    if not dry_run:
        engine.ctx.store.commit(lambda txn: [labels.append(txn, one) for one in reversed(backs)])
        engine.trainer.relearn(backs[0].taste)
    first, back = last[-1][1], backs[-1]
    return {
        "path": display_path(first.path),
        "sha256": first.digest.hex(),
        "label": None if back.label == "clear" else back.label,
        "was": first.label,
        "others": len(last) - 1,
        "error": None,
    }


def _last_labels(txn: Txn) -> list[tuple[int, LabelEvent]]:
    """The newest label that is not undone yet, and those logged as one with it; newest first.

    Those are its siblings', or the others of a table.

    An undo takes back as many events as it logs, so that many are passed over.
    """
    found: list[tuple[int, LabelEvent]] = []
    taken_back = 0
    for number, event in labels.newest_first(txn):
        if found:
            last = found[0][1]
            if (event.time_ns, event.taste, event.path) != (last.time_ns, last.taste, last.path):
                break
            found.append((number, event))
        elif event.source == "undo":
            taken_back += 1
        elif taken_back:
            taken_back -= 1
        else:
            found.append((number, event))
    return found


def _before(txn: Txn, last: list[tuple[int, LabelEvent]]) -> dict[tuple[str, bytes], EventName]:
    """(taste, digest) → its label before these events, where it had one."""
    wanted = {(one.taste, one.digest): number for number, one in last}
    found: dict[tuple[str, bytes], EventName] = {}
    for number, event in labels.newest_first(txn) if wanted else ():
        key = (event.taste, event.digest)
        if key in wanted and number < wanted[key]:
            found[key] = event.label
            del wanted[key]
            if not wanted:
                break
    return found
