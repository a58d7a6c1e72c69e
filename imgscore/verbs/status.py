"""status: what imgscore is doing, and which problems need the user."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.events import Event
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.order import TouchedFile

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watch

MAX_FAILURES = 100
"""Files whose dates cannot be set: so many of them are named."""
MAX_EXAMPLES = 5
"""Touches of a dry run that are named, for each watch."""
LAST_EVENTS = 12
"""Events that are named: as many as `status --watch` has room for."""


class Failure(msgspec.Struct):
    """A file that has no embedding, or whose date cannot be set."""

    path: str
    """the file"""
    reason: str
    """what is wrong with it"""
    remedy: str
    """what to do; may be empty"""


class LabelCounts(msgspec.Struct):
    """The labels of a taste."""

    keep: int
    """images labelled keep"""
    trash: int
    """images labelled trash"""


class PlannedTouches(msgspec.Struct):
    """What a dry run would do in an inbox."""

    touches: int
    """how many dates would change"""
    examples: list[TouchedFile]
    """the newest of these changes"""


class WatchStatus(msgspec.Struct):
    """The state of a watch."""

    inbox: str
    """the inbox"""
    files: int
    """images in the inbox"""
    scored: int
    """images in the inbox that have a score"""
    keep: int
    """images in the keep folders"""
    trash: int
    """images in the trash folders"""
    state: str
    """`ok`, `offline`, `held: …`, or `needs …` if labels are missing"""
    taste: str
    """the taste of the watch"""
    head: str | None
    """the version of the head that orders the inbox; null if there is none"""
    labels: LabelCounts
    """the labels of the taste"""
    planned: PlannedTouches | None
    """what a dry run would do; null without `dry_run`"""


class Reembedding(msgspec.Struct):
    """The progress of embedding all images with another model."""

    done: int
    """images that are embedded"""
    total: int
    """images to embed in all"""
    seconds_left: float | None
    """estimated seconds to the end; null at the beginning"""


class Response(msgspec.Struct):
    """The state of the daemon, or of the store if no daemon runs."""

    state: str
    """`running` or `paused`; `offline` if no daemon runs"""
    pid: int | None
    """the process id of the daemon; null if no daemon runs"""
    rss_bytes: int
    """memory of the process, in bytes"""
    embedder: str
    """the id of the embedder in use"""
    embedding_anew: Reembedding | None
    """the progress of embedding all images with another model; null if none is under way"""
    hint: str | None
    """how to get a better model; null if you chose one"""
    head: str | None
    """the version of the first watch's head; null if there is none"""
    pending: int
    """how many items are still to be done"""
    failed: list[Failure]
    """files that failed, newest first"""
    watches: list[WatchStatus]
    """the watches, in the order of the config"""
    workers: int
    """worker processes that run now"""
    looked: int
    """files that were read since the daemon started"""
    events: list[Event]
    """the last events, as `watch-log` prints them"""
    dry_run: bool
    """whether dates are planned but not set"""
    waiting: str | None
    """why embedding and training wait, such as "on battery"; null if they do not"""
    paused_until_ns: int | None
    """when the pause ends, in nanoseconds since 1970; null if there is no pause"""
    troubles: list[str]
    """problems that need you"""


class Request(BaseRequest[Response]):
    """No arguments."""

    keeps_pause: ClassVar[bool] = True


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row."""
    yield Result(status(engine))


def status(engine: Engine, *, running: bool = False) -> Response:
    """The state of an engine; `running`: the engine is a daemon's."""
    from imgscore.embedders import registry
    from imgscore.store import failures

    ctx = engine.ctx
    state = ("paused" if engine.paused else "running") if running else "offline"
    tastes = engine.trainer.tastes
    heads = {taste: ctx.ordering_head(taste) for taste in tastes}
    with ctx.store.read() as txn:
        failed = [
            Failure(display_path(failure.path), failure.reason, failure.remedy)
            for failure in sorted(
                failures.iter_all(txn), key=lambda failure: -failure.seen.ctime_ns
            )
        ]
        watches = [
            _watch_status(engine, txn, watch, heads[watch.taste]) for watch in ctx.watches.all
        ]
    failed += [
        Failure(display_path(path), error.what, error.remedy)
        for path, error in islice(engine.order_scheduler.refusals().items(), MAX_FAILURES)
    ]
    _, events = ctx.event_log.since(0)
    reembedding = engine.indexer.reembedding.progress()
    return Response(
        state=state,
        pid=os.getpid() if running else None,
        rss_bytes=_rss_bytes(),
        embedder=ctx.embedder.id,
        embedding_anew=msgspec.convert(reembedding, Reembedding | None),
        hint=registry.hint(ctx.config.model),
        head=next((head for head in heads.values() if head), None),
        pending=engine.pending,
        failed=failed,
        watches=watches,
        workers=ctx.pool.alive,
        looked=engine.indexer.indexed,
        events=events[-LAST_EVENTS:],
        dry_run=ctx.config.dry_run,
        waiting=engine.saving or None,
        paused_until_ns=engine.paused_until_ns if engine.paused else None,
        troubles=[
            *ctx.problems.values(),
            *ctx.notes.values(),
            *(taste.problem for taste in tastes.values() if taste.problem),
        ],
    )


def _watch_status(engine: Engine, txn: Txn, watch: Watch, head: str | None) -> WatchStatus:
    from imgscore.store import counts

    taste = engine.trainer.tastes[watch.taste]
    return WatchStatus(
        inbox=display_path(watch.inbox),
        files=counts.files(txn, watch.inbox, "inbox"),
        scored=counts.scored(txn, watch.inbox, watch.taste, head) if head else 0,
        keep=counts.files(txn, watch.inbox, "keep"),
        trash=counts.files(txn, watch.inbox, "trash"),
        state=_watch_state(engine, watch.inbox, watch.taste),
        taste=watch.taste,
        head=head,
        labels=LabelCounts(taste.keep, taste.trash),
        planned=_planned(engine, watch) if engine.ctx.config.dry_run else None,
    )


def _planned(engine: Engine, watch: Watch) -> PlannedTouches:
    """What a dry run would do: the number of touches, and the newest of them."""
    touches = engine.order_scheduler.planned(watch.inbox)
    examples = [TouchedFile.planned(touch) for touch in touches[:MAX_EXAMPLES]]
    return PlannedTouches(len(touches), examples)


def _watch_state(engine: Engine, inbox: bytes, taste: str) -> str:
    """In words: "ok", "offline", "held: …", or which labels are missing."""
    if not engine.ctx.is_online(inbox) or not os.path.isdir(inbox):
        return "offline"
    if engine.order_scheduler.held(inbox):
        return "held: dates were put back; order again with: imgscore order"
    missing = engine.trainer.tastes[taste].missing
    return f"needs {missing}" if missing else "ok"


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
