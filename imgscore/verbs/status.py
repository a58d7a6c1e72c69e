"""The verb `status`: return the state of imgscore, and the problems that the user must solve."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.events import Event
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps, display_path
from imgscore.verbs.order import TouchedFile

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.link_folders import FolderState
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watch

MAX_FAILURES = 100
"""The largest number of files with a date that cannot be set, in one status."""
MAX_EXAMPLES = 5
"""The largest number of planned touches that a status lists for each watch."""
LAST_EVENTS = 12
"""The largest number of events that a status lists. They fit into `status --watch`."""


class Failure(msgspec.Struct):
    """A file that has no embedding, or whose date cannot be set."""

    path: str
    """the path of the file"""
    reason: str
    """the problem with the file"""
    remedy: str
    """a remedy for the problem; may be empty"""


class LabelCounts(msgspec.Struct):
    """The number of keep labels and the number of trash labels of a taste."""

    keep: int
    """the number of images with the label keep, which are those with a grade above 0.5"""
    trash: int
    """the number of images with the label trash, which are those with a grade below 0.5"""


class PlannedTouches(msgspec.Struct):
    """The touches that the daemon has planned for an inbox, but not made, because of `dry_run`."""

    touches: int
    """the number of dates that would change"""
    examples: list[TouchedFile]
    """the first of these changes, at most five"""


class WatchStatus(msgspec.Struct):
    """The state of a watch."""

    inbox: str
    """the path of the inbox"""
    files: int
    """the number of images in the inbox"""
    scored: int
    """the number of images in the inbox that have a score"""
    keep: int
    """the number of images in the keep folders"""
    trash: int
    """the number of images in the trash folders"""
    state: str
    """`ok`, `offline` (no inbox), `held: …` (ordering is off) or `needs …` (labels are missing)"""
    taste: str
    """the taste of the watch"""
    head: str | None
    """the version of the head whose scores order the inbox; null if there is no head"""
    labels: LabelCounts
    """the number of labels of the taste"""
    planned: PlannedTouches | None
    """the changes that were planned but not made; null if `dry_run` is false"""
    left_alone: dict[str, int] = {}
    """the number of files in the folders of the watch that imgscore leaves alone, by reason:
    `hidden`, `links`, `hard links` (to places outside), `videos`, `svg`, `unfinished` (downloads)
    or `unknown`"""
    keep_folder: str = "keep"
    """the first keep folder, relative to the inbox if it is in the inbox"""
    trash_folder: str = "trash"
    """the first trash folder, relative to the inbox if it is in the inbox"""
    graded: dict[str, int] = {}
    """the number of images in the folders of the setting `grades`, by stars, such as `4 stars`"""
    undecided: int = 0
    """the number of labels of the taste with the grade 0.5, which count neither as keep nor as
    trash"""


class LinksStatus(msgspec.Struct):
    """The state of a folder of links of the config."""

    folder: str
    """the path of the folder"""
    files: int | None
    """the number of images after the last update; null before the first one"""
    state: str
    """`ok`, `due` (an update follows), `missing`, or the problem with its remedy; a running daemon
    finds a missing folder at the next update"""


class Reembedding(msgspec.Struct):
    """The progress of embedding all images again, after the model was changed."""

    done: int
    """the number of images that the new model has embedded"""
    total: int
    """the number of all images that the new model must embed"""
    seconds_left: float | None
    """the estimated time until the end, in seconds; null at the beginning"""


class Training(msgspec.Struct):
    """The progress of a training that takes long."""

    taste: str
    """the name of the taste"""
    done: int
    """the number of finished steps"""
    total: int
    """the number of all steps"""
    seconds_left: float | None
    """the estimated time until the end, in seconds; null at the beginning"""


class Response(msgspec.Struct):
    """The state of the daemon, or of the store if no daemon runs."""

    state: str
    """`running` or `paused`; `offline` if no daemon runs"""
    pid: int | None
    """the process id of the daemon; null if no daemon runs"""
    rss_bytes: int
    """the memory of the daemon, in bytes; without a daemon, the memory of this command"""
    embedder: str
    """the id of the embedder in use"""
    embedding_anew: Reembedding | None
    """the progress of embedding all images with a new model; null if all are embedded"""
    hint: str | None
    """advice to use UForm, a better model; null if a UForm model is in use or downloaded"""
    head: str | None
    """the version of the head of the first watch that has a head; null if there is no head"""
    pending: int
    """the number of items, such as files, that must still be processed"""
    failed: list[Failure]
    """the files that failed, newest first"""
    watches: list[WatchStatus]
    """the watches, in the order of the config"""
    workers: int
    """the number of worker processes that run now"""
    looked: int
    """the number of files that were read since the start of the daemon"""
    events: list[Event]
    """the last events, as `watch-log` prints them"""
    dry_run: bool
    """true if dates are planned but not set"""
    waiting: str | None
    """the reason why embedding and training wait, such as "on battery"; null if they do not wait"""
    paused_until_ns: int | None
    """the end of the pause, in nanoseconds since 1970; null if there is no pause"""
    troubles: list[str]
    """the problems that you must solve"""
    training: Training | None = None
    """the progress of the training; null if no training runs, or if it takes only seconds"""
    links: list[LinksStatus] = []
    """the folders of links of the config"""
    groups: int = 0
    """the number of groups of similar images (bursts and near-duplicates) in the store"""
    vanished: int = 0
    """the number of files that have disappeared and still have records; those of unlabelled images
    are deleted 90 days after the file disappeared"""


class Request(BaseRequest[Response]):
    """This request has no arguments."""

    keeps_pause: ClassVar[bool] = True


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one Response about the engine."""
    yield Result(status(engine))


def status(engine: Engine, *, running: bool = False) -> Response:
    """Return the status of an engine. `running`: true if the engine belongs to a daemon."""
    from imgscore.embedders import registry
    from imgscore.store import failures, groups, sightings

    ctx = engine.ctx
    state = ("paused" if engine.paused else "running") if running else "offline"
    tastes = engine.trainer.tastes
    heads = {taste: ctx.ordering_head(taste) for taste in tastes}
    with ctx.store.read() as txn:
        group_count, vanished = groups.count(txn), sightings.vanished(txn)
        failed = [
            Failure(display_path(failure.path), failure.reason, failure.remedy)
            for failure in sorted(
                failures.iter_all(txn), key=lambda failure: -failure.seen.ctime_ns
            )
            if ctx.watches.locate(failure.path) is not None
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
            *ctx.store.damage.values(),
            *(taste.problem for taste in tastes.values() if taste.problem),
        ],
        training=_training(engine),
        links=[_links_status(state) for state in engine.link_folders.states],
        groups=group_count,
        vanished=vanished,
    )


def _links_status(folder: FolderState) -> LinksStatus:
    path = display_path(folder.links.folder)
    state = "due" if folder.due or folder.runs else folder.problem or "ok"
    if not os.path.isdir(folder.links.folder):
        state = "missing"
    return LinksStatus(path, folder.files, state)


def _training(engine: Engine) -> Training | None:
    """Return the progress of the training that runs now, or None."""
    for taste, state in engine.trainer.tastes.items():
        if state.progress is not None:
            done, total = state.progress
            return Training(taste, done, total, state.seconds_left(time.monotonic()))
    return None


def of_a_start() -> Response:
    """Return the status of a daemon that has not read its store yet."""
    return Response(
        state="running",
        pid=os.getpid(),
        rss_bytes=_rss_bytes(),
        embedder="",
        embedding_anew=None,
        hint=None,
        head=None,
        pending=0,
        failed=[],
        watches=[],
        workers=0,
        looked=0,
        events=[],
        dry_run=False,
        waiting=None,
        paused_until_ns=None,
        troubles=[],
        training=None,
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
        labels=LabelCounts(taste.count("keep"), taste.count("trash")),
        planned=_planned(engine, watch) if engine.ctx.config.dry_run else None,
        left_alone=engine.indexer.left_alone.of(watch.inbox),
        keep_folder=_first_folder(watch.inbox, watch.keep, "keep"),
        trash_folder=_first_folder(watch.inbox, watch.trash, "trash"),
        graded={role: counts.files(txn, watch.inbox, role) for _, role in watch.graded},
        undecided=taste.count("undecided"),
    )


def _first_folder(inbox: bytes, folders: Sequence[bytes], default: str) -> str:
    if not folders:
        return default
    return display_path(folders[0].removeprefix(inbox + b"/"))


def _planned(engine: Engine, watch: Watch) -> PlannedTouches:
    """Return the planned touches of a watch: their number, and the first few as examples."""
    touches = engine.order_scheduler.planned(watch.inbox)
    examples = [TouchedFile.planned(touch) for touch in touches[:MAX_EXAMPLES]]
    return PlannedTouches(len(touches), examples)


def _watch_state(engine: Engine, inbox: bytes, taste: str) -> str:
    """Return the state of an inbox as text, as the field `state` of WatchStatus describes it."""
    if not engine.ctx.is_online(inbox) or not os.path.isdir(inbox):
        return "offline"
    missing, held = engine.trainer.tastes[taste].missing, engine.order_scheduler.held(inbox)
    if missing and not (held and engine.ctx.ordering_head(taste)):
        return f"needs {missing}"
    if held:
        return "held: you restored the dates; to order again: imgscore order"
    return "ok"


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
