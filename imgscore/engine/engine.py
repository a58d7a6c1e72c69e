"""The engine: its stages in the order of the flow, one step at a time, on one thread.

The daemon's loop, or a CLI verb where no daemon runs, calls `step` until `idle`.
"""

import logging
import time
from pathlib import Path

from imgscore import events
from imgscore.config import Config
from imgscore.embedders import devices, registry
from imgscore.engine.backups import BackupJob
from imgscore.engine.context import EngineContext, WorkerPool
from imgscore.engine.events import EventLog
from imgscore.engine.indexer import Indexer
from imgscore.engine.order_scheduler import OrderScheduler
from imgscore.engine.pruning import Pruner
from imgscore.engine.queries import Queries
from imgscore.engine.refusals import Refusals
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.engine.thumbnails import Thumbnailer
from imgscore.engine.time_restorer import TimeRestorer
from imgscore.engine.trainer import Trainer
from imgscore.engine.trash import TrashMonitor
from imgscore.errors import StoreError
from imgscore.store import settings
from imgscore.store.store import Store
from imgscore.watches import Watches
from imgscore.workers.messages import Answer, ModelUnavailable, Notice, Task
from imgscore.workers.pool import Pool, WorkerSettings, cpus

logger = logging.getLogger(__name__)

# Seconds until the next try after a failure of the machine, such as a full disk.
RETRY_SECONDS = 30.0
# Seconds of one wait at most: the kernel's ends at 24 days (2**31 ms), and a pause may be longer.
MAX_SECONDS = 86_400.0


class Engine:
    """The flow over one store. Closes `pool` at its end. Use as a context manager."""

    def __init__(self, store: Store, config: Config, heads_folder: Path, pool: WorkerPool) -> None:
        embedder = registry.spec(config.model, use_filename=config.use_filename)
        with store.read() as txn:
            event_log = EventLog(store, txn)
            self.ctx = EngineContext(
                store, config, heads_folder, Watches.of(config), embedder, pool, event_log
            )
            refusals = Refusals()
            self.indexer = Indexer(self.ctx)
            self.trash_monitor = TrashMonitor(self.ctx, self.indexer.ask)
            self.queries = Queries(self.ctx)
            self.thumbnailer = Thumbnailer(self.ctx)
            self.backup_job = BackupJob(self.ctx)
            self.trainer = Trainer(self.ctx, txn)
            self.time_restorer = TimeRestorer(self.ctx, refusals, txn)
            self.order_scheduler = OrderScheduler(self.ctx, refusals, txn)
            self.pruner = Pruner(self.ctx)
            until = settings.get(txn, "paused_until_ns")
        self.stages: tuple[AnyStage, ...] = (
            self.indexer,
            self.trash_monitor,
            self.queries,
            self.thumbnailer,
            self.backup_job,
            self.trainer,
            self.time_restorer,
            self.order_scheduler,
            self.pruner,
        )
        self.indexer.embed_missing()
        self.paused_until_ns = int(until) if until else 0
        self.saving: str | None = None
        """why embedding and training wait, such as "on battery"; None: they need not"""
        self.retry_at: float | None = None
        """when work goes on after a failure of the machine, in monotonic seconds"""

    @property
    def pending(self) -> int:
        """How many pieces of work are due or under way."""
        return sum(stage.pending for stage in self.stages)

    @property
    def idle(self) -> bool:
        """Whether nothing is pending."""
        return self.pending == 0

    @property
    def paused(self) -> bool:
        """Whether the user asked for a pause."""
        return self.paused_until_ns > time.time_ns()

    def pause(self, until_ns: int) -> None:
        """Pause until `until_ns` since 1970 (0: go on now). Restarts do not end a pause."""
        text = str(until_ns) if until_ns else None
        self.ctx.store.commit(lambda txn: settings.put(txn, "paused_until_ns", text))
        self.paused_until_ns = until_ns
        if self.paused:
            self.order_scheduler.drop_unasked()
        self.ctx.event_log.emit(events.Paused() if self.paused else events.Resumed())
        self.ctx.changed()

    def save_power(self, saving: str | None) -> None:
        """Leave embedding and training for later, for the reason `saving`; None ends that."""
        if saving != self.saving:
            self.saving = saving
            self.ctx.changed()

    def retry(self) -> None:
        """Go on at the next step, without waiting for `retry_at`."""
        self.retry_at = None

    # ---- a step

    def step(self, timeout: float | None, wake: int | None = None) -> None:
        """Advance every stage, then wait at most `timeout` seconds (None: for ever) for answers.

        `wake`: a descriptor that ends the wait when it becomes readable. Returns without a wait
        where something has changed, so that clients who follow get it at once.
        """
        now = time.monotonic()
        if self.retry_at is None or now >= self.retry_at:
            before = self.ctx.version, self.pending
            try:
                self._advance(now, idle=before[1] == 0)
            except (StoreError, OSError) as error:
                self._back_off(_problem(error), "store")
                self.indexer.hint_all()  # a scan finds again what was lost
            if (self.ctx.version, self.pending) != before or self.retry_at is not None:
                return
        times = [timeout if timeout is None else now + timeout, *self._next_times()]
        until = min((at for at in times if at is not None), default=None)
        wait = None if until is None else min(max(0.0, until - time.monotonic()), MAX_SECONDS)
        for task, answer in self.ctx.pool.answers(wait, wake):
            self._take(task, answer)

    def _advance(self, now: float, *, idle: bool) -> None:
        """Advance every stage once."""
        self.retry_at = None
        if any(stage.needs_space and stage.pending for stage in self.stages) and (
            shortage := self.ctx.shortage
        ):
            self._back_off(f"{shortage}; free some", "disk")
            return
        for stage in self.stages:
            # Made anew for each stage, because the stages before may change them.
            self._spread(stage, stage.advance(self._conditions(now, idle=idle)))
        self.ctx.problems.clear()

    def _conditions(self, now: float, *, idle: bool) -> Conditions:
        return Conditions(
            now,
            paused=self.paused,
            saving=bool(self.saving),
            indexing=self.indexer.indexing,
            teaching=self.indexer.teaching,
            reembedded=self.indexer.reembedding.complete,
            idle=idle,
        )

    def _spread(self, source: AnyStage, effects: Effects | None) -> None:
        if effects is None or not effects:
            return
        logger.debug("%s: %s", type(source).__name__, effects)
        for stage in self.stages:
            stage.receive(effects)

    def _next_times(self) -> list[float | None]:
        """The times at which something is to be done, in monotonic seconds."""
        now = time.monotonic()
        before = self.ctx.pool.alive
        workers_end = self.ctx.pool.reap_idle(now)
        if self.ctx.pool.alive != before:
            self.ctx.changed()
        if self.retry_at is not None:
            return [workers_end, self.retry_at]
        conditions = self._conditions(now, idle=self.idle)
        pause_end = None
        if conditions.paused:
            pause_end = now + (self.paused_until_ns - time.time_ns()) / 1e9
        return [workers_end, pause_end, *(stage.next_time(conditions) for stage in self.stages)]

    # ---- answers

    def _take(self, task: Task, answer: Answer) -> None:
        """Pass an answer to its stage. If it cannot be stored, the stage repeats the task."""
        self.ctx.changed()
        if isinstance(answer, Notice):
            self._note(answer)
            return
        if isinstance(answer, ModelUnavailable):
            self._back_off(f"{answer.reason}; {answer.remedy}", "model")
        stage = next(stage for stage in self.stages if isinstance(task, stage.handles))
        try:
            self._spread(stage, stage.take(task, answer))
        except (StoreError, OSError) as error:
            self._back_off(_problem(error), "store")
            stage.retry(task)

    def _note(self, note: Notice) -> None:
        """Report a fact about the machine once, although every worker reports it."""
        if self.ctx.notes.get(note.about) != note.text:
            self.ctx.notes[note.about] = note.text
            self.ctx.event_log.emit(events.Problem(reason=note.text))
            logger.warning("%s", note.text)

    def _back_off(self, problem: str, about: str) -> None:
        """Report a problem of the machine, and try again later."""
        if self.ctx.problems.get(about) != problem:
            self.ctx.event_log.emit(events.Problem(reason=problem))
            logger.info("waiting %.0f s: %s", RETRY_SECONDS, problem)
        self.ctx.problems[about] = problem
        self.retry_at = time.monotonic() + RETRY_SECONDS
        self.ctx.changed()

    def close(self) -> None:
        """End the workers; a scan finds again what they hold."""
        self.ctx.pool.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_engine(store: Store, config: Config, heads_folder: Path) -> Engine:
    """An engine with worker processes. Raises ConfigError if it cannot use the device or model."""
    devices.check(config.device)
    embedder = registry.spec(config.model, use_filename=config.use_filename)
    pool = Pool(
        WorkerSettings(
            store.folder,
            heads_folder,
            config.model,
            config.device,
            config.daemon.file_seconds,
            embedder.id,
            config.use_filename,
        ),
        config.daemon.workers or cpus(),
        config.daemon.worker_idle,
    )
    return Engine(store, config, heads_folder, pool)


def _problem(error: StoreError | OSError) -> str:
    """The problem and its remedy; an OSError is most often a lack of descriptors."""
    if isinstance(error, StoreError):
        return f"{error.message}; {error.remedy}"
    return f"the system refuses: {error}; end other programs, or raise limits"
