"""The engine: it runs its stages in a fixed order, one step at a time, on one thread.

The daemon's loop calls `step` again and again. If no daemon runs, a command of the CLI calls `step`
again and again until `idle` is true.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from imgscore import events
from imgscore.config import Config
from imgscore.embedders import backends, devices, registry
from imgscore.engine import rating_changes, taste_changes
from imgscore.engine.backups import BackupJob
from imgscore.engine.context import EngineContext, WorkerPool
from imgscore.engine.events import EventLog
from imgscore.engine.feed import feed_workers
from imgscore.engine.folder_recorder import FolderRecorder
from imgscore.engine.group_finder import GroupFinder
from imgscore.engine.indexer import Indexer
from imgscore.engine.library_preparer import LibraryPreparer
from imgscore.engine.link_folders import LinkFolders
from imgscore.engine.mass_changes import MassChanges
from imgscore.engine.order_scheduler import OrderScheduler
from imgscore.engine.problems import LowSpaceError
from imgscore.engine.pruning import Pruner
from imgscore.engine.qualities import QualityMeasurer
from imgscore.engine.queries import Queries
from imgscore.engine.ratings import RatingReader
from imgscore.engine.refusals import Refusals
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.engine.thumbnails import Thumbnailer
from imgscore.engine.time_restorer import TimeRestorer
from imgscore.engine.trainer import Trainer
from imgscore.engine.trash import TrashMonitor
from imgscore.errors import CorruptStoreError, ImgscoreError, ModelError
from imgscore.links.settings import existing, folders_of
from imgscore.store import originals, settings
from imgscore.store.store import Store
from imgscore.watches import Watches
from imgscore.workers.cpus import cpus
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    Interrupted,
    ModelUnavailable,
    Notice,
    Task,
)
from imgscore.workers.pool import Pool, WorkerSettings

logger = logging.getLogger(__name__)

# The longest wait of one step, in seconds. The kernel limits a wait to 24 days (2**31 ms), but a
# pause may be longer. During a long pause, the engine waits several times.
MAX_SECONDS = 86_400.0


class Engine:
    """The engine of one store. Use it as a context manager: the end of the `with` closes `pool`."""

    def __init__(self, store: Store, config: Config, heads_folder: Path, pool: WorkerPool) -> None:
        embedder = registry.spec(config.model, use_filename=config.use_filename)
        taste_changes.adopt(store, Watches.of(config))
        rating_changes.adopt(store, Watches.of(config))
        with store.read() as txn:
            indexed = originals.is_indexed(txn)
        if not indexed:
            store.commit(originals.index_dates)
        with store.read() as txn:
            event_log = EventLog(store, txn)
            self.ctx = EngineContext(
                store, config, heads_folder, Watches.of(config), embedder, pool, event_log
            )
            refusals = Refusals()
            self.indexer = Indexer(self.ctx)
            self.rating_reader = RatingReader(self.ctx, txn)
            self.trash_monitor = TrashMonitor(self.ctx, self.indexer.ask)
            self.queries = Queries(self.ctx)
            self.thumbnailer = Thumbnailer(self.ctx)
            self.backup_job = BackupJob(self.ctx)
            self.trainer = Trainer(self.ctx, refusals, txn)
            self.quality_measurer = QualityMeasurer(self.ctx, txn)
            self.group_finder = GroupFinder(self.ctx, txn)
            self.time_restorer = TimeRestorer(self.ctx, refusals, txn)
            self.order_scheduler = OrderScheduler(self.ctx, refusals, txn)
            self.pruner = Pruner(self.ctx)
            self.mass_changes = MassChanges(self.ctx, txn)
            self.folder_recorder = FolderRecorder(self.ctx, txn)
            self.link_folders = LinkFolders(self.ctx, folders_of(config, self.ctx.watches))
            until = settings.get(txn, "paused_until_ns")
        self.stages: tuple[AnyStage, ...] = (
            self.rating_reader,
            self.indexer,
            self.trash_monitor,
            self.queries,
            self.thumbnailer,
            self.backup_job,
            self.trainer,
            LibraryPreparer(self.ctx),
            self.group_finder,
            self.quality_measurer,
            self.time_restorer,
            self.order_scheduler,
            self.pruner,
            self.mass_changes,
            self.folder_recorder,
            self.link_folders,
        )
        self.indexer.embed_missing()
        self.paused_until_ns = int(until) if until else 0
        self.saving: str | None = None
        """the reason why embedding and training wait, such as "on battery". None means that
        embedding and training need not wait."""

    @property
    def pending(self) -> int:
        """The number of unfinished pieces of work in all stages."""
        return sum(self._pending_of(stage) for stage in self.stages)

    def _pending_of(self, stage: AnyStage) -> int:
        """Return the number of unfinished pieces of work of a stage.

        A stage that cannot count them, for example because a record is damaged, has a problem.
        """
        with self._errors_while_waiting(stage):
            return stage.pending
        return 0

    @contextmanager
    def _errors_while_waiting(self, stage: AnyStage) -> Iterator[None]:
        """Catch an error of a method that only reads the state of a stage.

        A stage that waits already has a problem. The same error must not prolong its wait.
        """
        try:
            yield
        except CorruptStoreError:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, and reported in the status
            if self.ctx.problems.retry_at(stage) is None:
                self.ctx.problems.failed(stage, error)

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
        """Let all stages that wait because of a problem work at the next step."""
        self.ctx.problems.retry()
        self.ctx.pool.retry()

    def blocking(self, stages: Iterable[AnyStage], since: float) -> ImgscoreError | None:
        """Return an error if a problem that occurred at or after `since` stops one of `stages`.

        `since`: in monotonic seconds. If `stages` is empty, return an error if a problem stops any
        stage that has unfinished work.
        """
        chosen = tuple(stages) or tuple(stage for stage in self.stages if self._pending_of(stage))
        owners = chain((self,), *(stage.owners for stage in chosen))
        errors = (self.ctx.problems.blocking(owner, since) for owner in owners)
        return next((error for error in errors if error is not None), None)

    # ---- one step of all stages

    def step(self, timeout: float | None, wake: int | None = None) -> None:
        """Advance every stage once. Then wait for answers of workers, and process the answers.

        `timeout`: the largest number of seconds to wait. None means no limit. `wake`: a file
        descriptor that ends the wait when it becomes readable.

        If a stage has changed something, return without a wait, so that the daemon can send the
        change to its clients at once.
        """
        now = time.monotonic()
        if not self.ctx.problems.waits(self, now):
            before = self.ctx.version, self.pending
            self._advance(now, idle=before[1] == 0)
            if (self.ctx.version, self.pending) != before:
                return
        version = self.ctx.version
        times = [timeout if timeout is None else now + timeout, *self._next_times()]
        if self.ctx.version != version:  # Workers have ended.
            return
        until = min((at for at in times if at is not None), default=None)
        wait = None if until is None else min(max(0.0, until - time.monotonic()), MAX_SECONDS)
        self._take_all(self.ctx.pool.answers(wait, wake))
        if self.ctx.problems.retry_at(self) is None:
            conditions = self._conditions(time.monotonic(), idle=False)
            feed_workers(self.ctx, self.indexer, conditions, self._take_all, wake)

    def _advance(self, now: float, *, idle: bool) -> None:
        """Advance every stage once, except the stages that wait because of a problem.

        If the disk is nearly full, do no work and retry later.
        """
        problems = self.ctx.problems
        with problems.errors_of(self):
            if any(stage.needs_space and self._pending_of(stage) for stage in self.stages) and (
                shortage := self.ctx.shortage
            ):
                problems.failed(self, LowSpaceError(shortage, "free some disk space"))
                return
            problems.solved(self)
        for stage in self.stages:
            if not problems.waits(stage, now):
                self._advance_stage(stage, now, idle=idle)

    def _advance_stage(self, stage: AnyStage, now: float, *, idle: bool) -> None:
        problems = self.ctx.problems
        with problems.errors_of(stage):
            # Compute the conditions again for each stage, because an earlier stage may have changed
            # them.
            effects = stage.advance(self._conditions(now, idle=idle))
            problems.solved(stage)
            if not self._pending_of(stage):
                problems.answered(stage)
            self._spread(stage, effects)
            return
        with problems.errors_of(stage):
            stage.recover()

    def _conditions(self, now: float, *, idle: bool) -> Conditions:
        return Conditions(
            now,
            paused=self.paused,
            saving=bool(self.saving),
            indexing=self.indexer.indexing,
            reconciled=self.indexer.pending == 0,
            teaching=self.indexer.teaching,
            reembedded=self.indexer.reembedding.complete,
            idle=idle,
        )

    def _spread(self, source: AnyStage, effects: Effects | None) -> None:
        if effects is None or not effects:
            return
        logger.debug("%s: %s", type(source).__name__, effects)
        for stage in self.stages:
            with self.ctx.problems.errors_of(stage):
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
        own = self.ctx.problems.retry_at(self)
        if own is not None:
            return [workers_end, own]
        conditions = self._conditions(now, idle=self.idle)
        pause_end = None
        if conditions.paused:
            pause_end = now + (self.paused_until_ns - time.time_ns()) / 1e9
        times = [self._next_time(stage, conditions) for stage in self.stages]
        return [workers_end, pause_end, *times]

    def _next_time(self, stage: AnyStage, conditions: Conditions) -> float | None:
        with self._errors_while_waiting(stage):
            return self.ctx.problems.retry_at(stage) or stage.next_time(conditions)
        return self.ctx.problems.retry_at(stage)

    # ---- answers of workers

    def _take_all(self, answers: Iterable[tuple[Task, Answer]]) -> None:
        """Pass answers to their stages. The answers about files that were read go in one call."""
        indexed: list[tuple[IndexFile, FileIndexed]] = []
        for task, answer in answers:
            if isinstance(task, IndexFile) and isinstance(answer, FileIndexed):
                indexed.append((task, answer))
            else:
                self._take(task, answer)
        if indexed:
            self.ctx.changed()
            self.ctx.problems.answered(self.indexer)
            with self.ctx.problems.errors_of(self.indexer):
                self.indexer.take_indexed(indexed)
                return
        for task, _ in indexed:
            self.indexer.retry(task)

    def _take(self, task: Task, answer: Answer) -> None:
        """Pass a worker's answer to the stage of the task, which repeats it if storing fails."""
        self.ctx.changed()
        if isinstance(answer, Notice):
            self._note(answer)
            return
        stage = next(stage for stage in self.stages if isinstance(task, stage.handles))
        problems = self.ctx.problems
        if isinstance(answer, ModelUnavailable):
            problems.failed(stage, ModelError(answer.reason, answer.remedy))
        elif not isinstance(answer, Crashed | Interrupted):
            problems.answered(stage)
        with problems.errors_of(stage):
            self._spread(stage, stage.take(task, answer))
            return
        with problems.errors_of(stage):
            stage.retry(task)

    def _note(self, note: Notice) -> None:
        """Report a notice from a worker.

        Every worker sends the notice, but it is reported only once.
        """
        if self.ctx.notes.get(note.about) != note.text:
            self.ctx.notes[note.about] = note.text
            self.ctx.event_log.emit(events.Problem(reason=note.text))
            logger.warning("%s", note.text)

    def close(self) -> None:
        """End the workers. The next scan finds the files that the workers did not finish."""
        self.ctx.pool.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        try:
            if error_type is None:
                # A label whose image is not stored would teach nothing until the next scan.
                self.indexer.commit_results()
        except ImgscoreError as error:
            logger.warning("the next scan reads the last images again: %s", error)
        finally:
            self.close()


def open_engine(store: Store, config: Config, heads_folder: Path) -> Engine:
    """Return an engine with worker processes.

    Raises ConfigError if the device or the model cannot be used.
    """
    devices.check(config.device)
    return Engine(store, config, heads_folder, open_pool(store.folder, config, heads_folder))


def open_pool(store_folder: Path, config: Config, heads_folder: Path) -> Pool:
    """Return a pool of workers. It starts no process before the first task."""
    embedder = registry.spec(config.model, use_filename=config.use_filename)
    return Pool(
        WorkerSettings(
            store_folder,
            heads_folder,
            config.model,
            config.device,
            config.daemon.file_seconds,
            embedder.id,
            config.use_filename,
            batches=backends.uses_device_process(config.device),
            batch=config.batch if isinstance(config.batch, int) else 0,
            dim=embedder.image_dim,
            link_folders=tuple(existing(config)),
        ),
        config.daemon.workers or cpus(),
        config.daemon.worker_idle,
    )
