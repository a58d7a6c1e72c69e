"""status: what the daemon is doing, and what needs the user's attention."""

import os
from itertools import islice
from typing import Any

import msgspec

from imgscore.embedders import registry
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.store import counts, failures
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Row, Steps, display_path
from imgscore.verbs.order import row
from imgscore.watches import Watch

MAX_FAILURES = 100
MAX_EXAMPLES = 5
LAST_EVENTS = 12


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to say."""


def run(engine: Engine, request: Request) -> Steps:
    """One row."""
    yield Result(status(engine))


def status(engine: Engine, *, running: bool = False) -> Row:
    """The state of an engine; `running`: of a daemon's, else of the store alone."""
    ctx = engine.ctx
    state = ("paused" if engine.paused else "running") if running else "offline"
    tastes = engine.trainer.tastes
    heads = {taste: ctx.ordering_head(taste) for taste in tastes}
    with ctx.store.read() as txn:
        failed = [
            {"path": display_path(one.path), "reason": one.reason, "remedy": one.remedy}
            for one in sorted(failures.iter_all(txn), key=lambda one: -one.seen.ctime_ns)
        ]
        tallies = {watch.inbox: _tally(txn, watch, heads[watch.taste]) for watch in ctx.watches.all}
    failed += [
        {"path": display_path(path), "reason": error.what, "remedy": error.remedy}
        for path, error in islice(engine.order_scheduler.refusals().items(), MAX_FAILURES)
    ]
    watches: list[dict[str, Any]] = []
    for watch in ctx.watches.all:
        taste = tastes[watch.taste]
        watches.append(
            {
                "inbox": display_path(watch.inbox),
                **tallies[watch.inbox],
                "state": _watch_state(engine, watch.inbox, watch.taste),
                "taste": watch.taste,
                "head": heads[watch.taste] or None,
                "labels": {"keep": taste.keep, "trash": taste.trash},
                "planned": _planned(engine, watch) if ctx.config.dry_run else None,
            }
        )
    _, events = ctx.event_log.since(0)
    return {
        "state": state,
        "pid": os.getpid() if running else None,
        "rss_bytes": _rss_bytes(),
        "embedder": ctx.embedder.id,
        "embedding_anew": engine.indexer.reembedding.progress(),
        "hint": registry.hint(ctx.config.model),
        "head": next((head for head in heads.values() if head), None),
        "pending": engine.pending,
        "failed": failed,
        "watches": watches,
        "workers": ctx.pool.alive,
        "looked": engine.indexer.indexed,
        "events": events[-LAST_EVENTS:],
        "dry_run": ctx.config.dry_run,
        "waiting": engine.saving or None,
        "paused_until_ns": engine.paused_until_ns if engine.paused else None,
        "troubles": [
            *ctx.problems.values(),
            *ctx.notes.values(),
            *(one.problem for one in tastes.values() if one.problem),
        ],
    }


def _tally(txn: Txn, watch: Watch, head: str) -> dict[str, int]:
    """Files by place, and scored files, of an inbox."""
    return {
        "files": counts.files(txn, watch.inbox, "inbox"),
        "scored": counts.scored(txn, watch.inbox, watch.taste, head),
        "keep": counts.files(txn, watch.inbox, "keep"),
        "trash": counts.files(txn, watch.inbox, "trash"),
    }


def _planned(engine: Engine, watch: Watch) -> Row:
    """What a dry run would do: how many touches, and the newest of them."""
    wanted = engine.order_scheduler.planned(watch.inbox)
    examples = [
        row(one.sighting.path, one.sighting.seen.mtime_ns, one.after_ns, dry_run=True)
        for one in wanted[:MAX_EXAMPLES]
    ]
    return {"touches": len(wanted), "examples": examples}


def _watch_state(engine: Engine, inbox: bytes, taste: str) -> str:
    """In words: "ok", "offline", "held", or what is missing."""
    if not engine.indexer.is_online(inbox) or not os.path.isdir(inbox):
        return "offline"
    if engine.order_scheduler.held(inbox):
        return "held: dates were put back; order again with: imgscore order"
    missing = engine.trainer.tastes[taste].missing
    return f"needs {missing}" if missing else "ok"


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
