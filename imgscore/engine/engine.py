"""The engine: it runs its stages in a fixed order, one step at a time, on one thread.

The daemon's loop calls `step` again and again. If no daemon runs, a command of the CLI calls `step`
again and again until `idle` is true.
"""

import logging
import time
from pathlib import Path

from imgscore import events
from imgscore.config import Config
from imgscore.embedders import backends, devices, registry
from imgscore.engine import taste_changes
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

# Seconds between a failure of the machine, such as a full disk, and the next try.
RETRY_SECONDS = 30.0
# The longest wait of one step, in seconds. The kernel limits a wait to 24 days (2**31 ms), but a
# pause may be longer. During a long pause, the engine waits several times.
MAX_SECONDS = 86_400.0


class Engine:
    """The engine of one store. Use it as a context manager: the end of the `with` closes `pool`."""

    def __init__(self, store: Store, config: Config, heads_folder: Path, pool: WorkerPool) -> None:
        embedder = registry.spec(config.model, use_filename=config.use_filename)
        taste_changes.adopt(store, Watches.of(config))
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
        """the reason why embedding and training wait, such as "on battery". None means that
        embedding and training need not wait."""
        self.retry_at: float | None = None
        """the time at which work continues after a failure of the machine, in monotonic seconds.
        None means that work is not interrupted by a failure."""

    @property
    def pending(self) -> int:
        """The number of unfinished pieces of work in all stages."""
        return sum(stage.pending for stage in self.stages)

    @property
    def idle(self) -> bool:
        """Return whether no work is pending."""
        return self.pending == 0

    @property
    def paused(self) -> bool:
        """Return whether the user has paused the engine."""
        return self.paused_until_ns > time.time_ns()

    def pause(self, until_ns: int) -> None:
        """Pause the engine, or end a pause.

        `until_ns`: the end of the pause, in nanoseconds since 1970. 0 ends a pause. The value is
        stored, so the pause continues after a restart of the daemon.
        """
        text = str(until_ns) if until_ns else None
        self.ctx.store.commit(lambda txn: settings.put(txn, "paused_until_ns", text))
        self.paused_until_ns = until_ns
        if self.paused:
            self.order_scheduler.drop_unasked()
        self.ctx.event_log.emit(events.Paused() if self.paused else events.Resumed())
        self.ctx.changed()

    def save_power(self, saving: str | None) -> None:
        """Postpone embedding and training, or continue them.

        `saving`: the reason for the postponement, as a text for the user. None means that embedding
        and training continue.
        """
        if saving != self.saving:
            self.saving = saving
            self.ctx.changed()

    def retry(self) -> None:
        """Continue the work at the next step, even if `retry_at` is later."""
        self.retry_at = None

    # ---- one step of all stages

    def step(self, timeout: float | None, wake: int | None = None) -> None:
        """Advance every stage once. Then wait for answers of workers, and process the answers.

        `timeout`: the largest number of seconds to wait. None means no limit. `wake`: a file
        descriptor that ends the wait when it becomes readable.

        If a stage has changed something, return without a wait, so that the daemon can send the
        change to its clients at once.
        """
        now = time.monotonic()
        if self.retry_at is None or now >= self.retry_at:
            before = self.ctx.version, self.pending
            try:
                self._advance(now, idle=before[1] == 0)
            except (StoreError, OSError) as error:
                self._back_off(_problem(error), "store")
                self.indexer.hint_all()  # A scan finds the files whose processing was lost.
            if (self.ctx.version, self.pending) != before or self.retry_at is not None:
                return
        times = [timeout if timeout is None else now + timeout, *self._next_times()]
        until = min((at for at in times if at is not None), default=None)
        wait = None if until is None else min(max(0.0, until - time.monotonic()), MAX_SECONDS)
        for task, answer in self.ctx.pool.answers(wait, wake):
            self._take(task, answer)

    def _advance(self, now: float, *, idle: bool) -> None:
        """Advance every stage once. If the disk is nearly full, do no work and retry later."""
        self.retry_at = None
        if any(stage.needs_space and stage.pending for stage in self.stages) and (
            shortage := self.ctx.shortage
        ):
            self._back_off(f"{shortage}; free some disk space", "disk")
            return
        for stage in self.stages:
            # Compute the conditions again for each stage, because an earlier stage may have changed
            # them.
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
        """End workers that were idle for too long. Return the times at which work is due.

        The times are in monotonic seconds. None in the list means that a stage has no work that is
        due.
        """
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

    # ---- answers of workers

    def _take(self, task: Task, answer: Answer) -> None:
        """Pass a worker's answer to the stage that handles the task.

        If the answer cannot be stored, this stage repeats the task.
        """
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
        """Report a notice from a worker.

        Every worker sends the notice, but it is reported only once.
        """
        if self.ctx.notes.get(note.about) != note.text:
            self.ctx.notes[note.about] = note.text
            self.ctx.event_log.emit(events.Problem(reason=note.text))
            logger.warning("%s", note.text)

    def _back_off(self, problem: str, about: str) -> None:
        """Report a problem of the machine, and do no work for RETRY_SECONDS."""
        if self.ctx.problems.get(about) != problem:
            self.ctx.event_log.emit(events.Problem(reason=problem))
            logger.info("waiting %.0f s: %s", RETRY_SECONDS, problem)
        self.ctx.problems[about] = problem
        self.retry_at = time.monotonic() + RETRY_SECONDS
        self.ctx.changed()

    def close(self) -> None:
        """End the workers. The next scan finds the files that the workers did not finish."""
        self.ctx.pool.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_engine(store: Store, config: Config, heads_folder: Path) -> Engine:
    """Return an engine with worker processes.

    Raises ConfigError if the device or the model cannot be used.
    """
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
            batches=backends.uses_device_process(config.device),
            batch=config.batch if isinstance(config.batch, int) else 0,
        ),
        config.daemon.workers or cpus(),
        config.daemon.worker_idle,
    )
    return Engine(store, config, heads_folder, pool)


def _problem(error: StoreError | OSError) -> str:
    """Return a text with the problem and its remedy.

    The usual cause of an OSError is a lack of file descriptors.
    """
    if isinstance(error, StoreError):
        return f"{error.message}; {error.remedy}"
    return f"the system refuses: {error}; end other programs, or raise the limits (ulimit)"
