"""The engine: the rooms of the flow in their order, one step at a time, on one thread.

Whoever drives it (the daemon's loop, or a CLI verb) calls `step` until `idle`.
"""

import logging
import time
from pathlib import Path

from imgscore import events
from imgscore.config import Config
from imgscore.embedders import devices, registry
from imgscore.engine.backups import BackupJob
from imgscore.engine.context import EngineContext
from imgscore.engine.events import EventLog
from imgscore.engine.indexer import Indexer
from imgscore.engine.order_scheduler import OrderScheduler
from imgscore.engine.pruning import Pruner
from imgscore.engine.thumbnails import Thumbnailer
from imgscore.engine.trainer import Trainer
from imgscore.errors import StoreError
from imgscore.store import settings
from imgscore.store.store import Store
from imgscore.watches import Watches
from imgscore.workers.messages import (
    Answer,
    BackUp,
    IndexFile,
    MakeThumbnail,
    ModelUnavailable,
    Notice,
    Plan,
    Prune,
    Rescore,
    Task,
    Train,
)
from imgscore.workers.pool import Pool, WorkerSettings, cpus
from imgscore.workers.queries import Query

logger = logging.getLogger(__name__)

# What failed for a reason of the machine's (a full disk) is tried again after this long.
RETRY_SECONDS = 30.0
# The kernel's wait ends at 24 days (2**31 ms), and a pause may be for years.
MAX_SECONDS = 86_400.0


class Engine:
    """The flow over one store. Use as a context manager."""

    def __init__(self, store: Store, config: Config, heads: Path) -> None:
        devices.check(config.device)
        embedder = registry.spec(config.model, use_filename=config.use_filename)
        worker_settings = WorkerSettings(
            store.folder,
            heads,
            config.model,
            config.device,
            config.daemon.file_seconds,
            embedder.id,
            config.use_filename,
        )
        pool = Pool(worker_settings, config.daemon.workers or cpus(), config.daemon.worker_idle)
        with store.read() as txn:
            event_log = EventLog(store, txn)
            self.ctx = EngineContext(
                store, config, heads, Watches.of(config), embedder, pool, event_log
            )
            self.indexer = Indexer(self.ctx)
            self.trainer = Trainer(self.ctx, txn)
            self.thumbnailer = Thumbnailer(self.ctx)
            self.backup_job = BackupJob(self.ctx)
            self.pruner = Pruner(self.ctx)
            self.order_scheduler = OrderScheduler(self.ctx, self.indexer, txn)
            until = settings.get(txn, "paused_until_ns")
        self.indexer.embed_missing()
        self.paused_until_ns = int(until) if until else 0
        self.saving = ""
        """why embedding and training wait until someone asks, such as "on battery"; "" = not"""
        self._retry_at = 0.0

    @property
    def pending(self) -> int:
        """How many things are still to be done."""
        return self.indexer.pending + self.trainer.pending + self.order_scheduler.pending

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self.pending == 0

    @property
    def _state(self) -> tuple[int, int]:
        """What is different after every change that anybody would want to know of."""
        return self.ctx.version, self.pending

    @property
    def paused(self) -> bool:
        """Whether the user asked for quiet."""
        return self.paused_until_ns > time.time_ns()

    def pause(self, until_ns: int) -> None:
        """Do nothing until then (ns since 1970; 0 = go on); kept over restarts."""
        text = str(until_ns) if until_ns else None
        self.ctx.store.commit(lambda txn: settings.put(txn, "paused_until_ns", text))
        self.paused_until_ns = until_ns
        if self.paused:
            self.order_scheduler.drop_unasked()
        self.ctx.event_log.emit(events.Paused() if self.paused else events.Resumed())
        self.ctx.changed()

    def save_power(self, saving: str) -> None:
        """Leave embedding and training for later, and why; "" = go on."""
        if saving != self.saving:
            self.saving = saving
            self.ctx.changed()

    def retry(self) -> None:
        """What stood in the way is gone: go on at the next step."""
        self._retry_at = 0.0

    def step(self, timeout: float | None, wake: int | None = None) -> None:
        """Do what can be done now; wait at most `timeout` seconds (None: for ever) for more.

        `wake`: a descriptor that ends the wait when it becomes readable.
        """
        now = time.monotonic()
        if now >= self._retry_at:
            before = self._state
            try:
                self._advance(now)
            except (StoreError, OSError) as error:
                self._back_off(_said(error), "store")
                self.indexer.hint_all()  # what was under way is found again
            if self._state != before or self._retry_at > now:
                return  # whoever follows, or waits for the end of it, wants to know at once
        times = [timeout if timeout is None else now + timeout, *self._next_times()]
        until = min((at for at in times if at is not None), default=None)
        wait = None if until is None else min(max(0.0, until - time.monotonic()), MAX_SECONDS)
        for task, answer in self.ctx.pool.answers(wait, wake):
            try:
                self._take(task, answer)
            except (StoreError, OSError) as error:
                self._back_off(_said(error), "store")
                self._take_again(task)

    def _next_times(self) -> list[float | None]:
        """When the rooms have something to do, in monotonic seconds."""
        now = time.monotonic()
        before = self.ctx.pool.alive
        workers_end = self.ctx.pool.reap_idle(now)
        if self.ctx.pool.alive != before:
            self.ctx.changed()
        if self._retry_at > now:
            return [workers_end, self._retry_at]
        if self.paused:
            go_on = now + (self.paused_until_ns - time.time_ns()) / 1e9
            return [workers_end, go_on, self.order_scheduler.next_time(now, asked_only=True)]
        return [
            workers_end,
            self.indexer.next_time(now, saving=bool(self.saving)),
            self.trainer.next_time(now, may_train=self._may_train),
            self.order_scheduler.next_time(now),
            self.pruner.next_time(now) if self.idle else None,
        ]

    @property
    def _may_train(self) -> bool:
        """Whether a head is wanted, all it would learn from is there, and nothing is against it.

        Asked at every step: what teaches is looked for last.
        """
        wanted = self.trainer.wants_training and not self.saving
        return wanted and self.indexer.reembedding.complete and not self.indexer.teaching

    def _advance(self, now: float) -> None:
        """One pass through the rooms, in the order of the flow."""
        if self.indexer.pending and (shortage := self.ctx.shortage):
            self._back_off(f"{shortage}; free some", "disk")
            return
        saving = bool(self.saving)
        effects = self.indexer.advance(now, asked_only=self.paused, saving=saving)
        self.ctx.problems.clear()
        for inbox, paths in effects.new_files.items():
            self.order_scheduler.add_files(inbox, paths)
        for taste in effects.relearn:
            self.trainer.relearn(taste)
        for taste in effects.unscored:
            self.trainer.rescore(taste)
        self.order_scheduler.restore(effects.restore)
        self.trainer.advance_queries()
        self.thumbnailer.advance()
        if not self.paused:
            self.backup_job.advance()
            if self.indexer.reembedding.complete:
                for taste in self.trainer.come_back():
                    self.order_scheduler.reorder_taste(taste)
            self.trainer.advance(now, may_train=self._may_train)
        self.order_scheduler.advance(now, asked_only=self.paused)
        if self.idle and not self.paused:
            self.pruner.advance()

    def _back_off(self, problem: str, about: str) -> None:
        """Something outside is wrong: say so, keep what was found, try again later."""
        if self.ctx.problems.get(about) != problem:
            self.ctx.event_log.emit(events.Problem(reason=problem))
        self.ctx.problems[about] = problem
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self.ctx.changed()

    def _take(self, task: Task, answer: Answer) -> None:
        self.ctx.changed()
        if isinstance(answer, Notice):
            self._note(answer)
            return
        self.ctx.event_log.answered(task, answer)
        if isinstance(answer, ModelUnavailable):
            self._back_off(f"{answer.reason}; {answer.remedy}", "model")
        match task:
            case IndexFile():
                self.indexer.take(task, answer)
            case Train():
                self.trainer.take_training(task, answer)
            case Query():
                self.trainer.take_query(answer)
            case MakeThumbnail():
                self.thumbnailer.take(task, answer)
            case BackUp():
                self.backup_job.take(task, answer)
            case Prune():
                self.pruner.take(answer)
            case Plan():
                self.order_scheduler.take_plan(task, answer)
            case Rescore():
                if self.trainer.take_scores(task, answer):
                    self.order_scheduler.reorder_taste(task.taste)

    def _take_again(self, task: Task) -> None:
        """The store could not take an answer, as on a full disk: what it said is asked again."""
        match task:
            case IndexFile():
                self.indexer.hint(task.path)
            case Train() | Rescore():
                self.trainer.take_again(task)
            case Query() | MakeThumbnail() | Plan() | BackUp() | Prune():
                pass  # they write nothing into the store, or see to it themselves

    def _note(self, note: Notice) -> None:
        """Every worker finds the same out; the user hears it once."""
        if self.ctx.notes.get(note.about) != note.text:
            self.ctx.notes[note.about] = note.text
            self.ctx.event_log.emit(events.Problem(reason=note.text))
            logger.warning("%s", note.text)

    def close(self) -> None:
        """End the workers; what they hold is looked at again next time."""
        self.ctx.pool.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _said(error: StoreError | OSError) -> str:
    """What is wrong outside, and what to do; an OSError is most often a want of descriptors."""
    if isinstance(error, StoreError):
        return f"{error.message}; {error.remedy}"
    return f"the system refuses: {error}; end other programs, or raise limits"
