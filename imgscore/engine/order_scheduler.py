"""From scores to dates: which inbox's order is off, and which files get their own date back.

Dates are changed a part a step, so that whoever drives the engine can listen in between. The order
of a large library is planned by a worker, and its parts are done as they come. What comes into an
inbox that is in order finds its place here, at a cost that does not grow with the inbox.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from imgscore.engine import apply
from imgscore.engine.context import EngineContext
from imgscore.engine.indexer import Indexer
from imgscore.engine.order_jobs import OrderJob, OrderState
from imgscore.errors import ImgscoreError, StoreError
from imgscore.order.timeline import Timeline
from imgscore.order.touch import TouchError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import originals, settings
from imgscore.store.schema import Fingerprint, Ties, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Watch, Watches
from imgscore.workers import plan_inbox
from imgscore.workers.messages import Answer, Crashed, Plan, Planned, PlannedTouch, Refused

# While much is still to be embedded, the order is brought up to date only this often.
ORDER_SECONDS = 10.0
# Sightings in the store, from which on a worker plans: a second, and 100 MB, for 30,000.
WORKER_PLAN_THRESHOLD = 5_000
# More newcomers at once than this cost as much as to plan the whole inbox, in a worker.
INCREMENTAL_LIMIT = 64
# Under which subject the user is told that an order could not be planned.
NOTE_KEY = "order"


class OrderScheduler:
    """Knows every inbox's order. Times are seconds of the monotonic clock."""

    def __init__(self, ctx: EngineContext, indexer: Indexer, txn: Txn) -> None:
        self.ctx = ctx
        self._looker = indexer
        self._states = {watch.inbox: OrderState(watch) for watch in ctx.watches.all}
        self._restores = set(_left(txn, ctx.watches))
        self._jobs: list[OrderJob] = []
        self._refusals: dict[bytes, tuple[Fingerprint, TouchError]] = {}
        self._held = {inbox for inbox in self._states if settings.get(txn, _hold(inbox))}

    # ---- what is off

    def reorder(self, inbox: bytes) -> None:
        """The order of an inbox may be off."""
        state = self._states[inbox]
        state.due, state.new_files = True, None

    def reorder_taste(self, taste: str) -> None:
        """The order of every inbox of a taste may be off."""
        for inbox, state in self._states.items():
            if state.watch.taste == taste:
                self.reorder(inbox)

    def add_files(self, inbox: bytes, paths: set[bytes]) -> None:
        """These files of an inbox came, or are others than they were."""
        state = self._states[inbox]
        state.due = True
        if state.new_files is not None:
            new_files = state.new_files | paths
            state.new_files = new_files if len(new_files) <= INCREMENTAL_LIMIT else None

    def restore(self, files: set[tuple[bytes, bytes]]) -> None:
        """These files, (digest, path), have left the inbox: give them their own date back."""
        self._restores |= files

    def held(self, inbox: bytes) -> bool:
        """Whether dates were put back by the user's wish, so that nothing is ordered by itself."""
        return inbox in self._held

    def hold(self, inbox: bytes, *, held: bool) -> None:
        """Order an inbox only when asked to, or by itself again. Kept over restarts."""
        if held:
            self._drop(lambda job: job.order is not None and job.order.inbox == inbox)
            self._states[inbox].current_order = None
        if held == (inbox in self._held):
            return
        value = "yes" if held else None
        self.ctx.store.commit(lambda txn: settings.put(txn, _hold(inbox), value))
        (self._held.add if held else self._held.discard)(inbox)
        self.ctx.changed()

    def planned(self, inbox: bytes) -> list[PlannedTouch]:
        """In a dry run: the touches that would put an inbox in order."""
        return self._states[inbox].planned

    def refusals(self) -> dict[bytes, TouchError]:
        """Files whose date could not be set, and why: left alone until they change."""
        self._refusals = {
            path: (seen, error)
            for path, (seen, error) in self._refusals.items()
            if fingerprint_of(path) == seen
        }
        return {path: error for path, (_, error) in self._refusals.items()}

    def _refused(self, path: bytes, error: TouchError) -> None:
        seen = fingerprint_of(path)
        if seen is not None:
            self._refusals[path] = (seen, error)

    # ---- errands

    def order(self, watch: Watch, *, dry_run: bool = False) -> OrderJob:
        """Bring an inbox into order now, because someone asked; refused files too."""
        self._refusals.clear()
        head = self._head(watch)
        return self._begin(OrderJob(order=watch, head=head, asked=True, dry_run=dry_run))

    def run(self, parts: Iterator[Any]) -> OrderJob:
        """Do something else with dates, a part a step, because someone asked."""
        return self._begin(OrderJob(parts, asked=True))

    def _begin(self, job: OrderJob) -> OrderJob:
        self._jobs.append(job)
        self.ctx.changed()
        return job

    def _end(self, job: OrderJob, error: ImgscoreError | None = None) -> None:
        self._jobs = [one for one in self._jobs if one is not job]
        job.done, job.error = True, error
        self.ctx.notes.pop(NOTE_KEY, None)
        if error is not None and not job.asked:
            self.ctx.notes[NOTE_KEY] = f"{error.message}; {error.remedy}"
        self.ctx.changed()

    def drop_unasked(self) -> None:
        """A pause begins: what nobody asked for is planned again after it."""
        self._drop(lambda job: job.order is not None)

    def _drop(self, unwanted: Callable[[OrderJob], bool]) -> None:
        """Forget errands that nobody asked for; what they have not done is planned again."""
        for job in [one for one in self._jobs if not one.asked and unwanted(one)]:
            self._end(job)
            if job.order is not None:
                self.reorder(job.order.inbox)

    # ---- state

    def _is_due(self, state: OrderState) -> bool:
        inbox = state.watch.inbox
        if not state.due or inbox in self._held or not self._looker.is_online(inbox):
            return False
        return bool(self.ctx.ordering_head(state.watch.taste))

    @property
    def pending(self) -> int:
        """How many orders and dates are due."""
        due = sum(self._is_due(state) for state in self._states.values())
        return len(self._restores) + len(self._jobs) + due

    def next_time(self, now: float, *, asked_only: bool = False) -> float | None:
        """When `advance` has something to do."""
        job = self._next_job(asked_only)
        if job is not None and not self._waits(job):
            return now
        if asked_only:
            return None
        if self._restores:
            return now
        due = [self._time(state, now) for state in self._states.values() if self._is_due(state)]
        return min(due, default=None)

    def _next_job(self, asked_only: bool) -> OrderJob | None:
        return next((one for one in self._jobs if one.asked or not asked_only), None)

    def _waits(self, job: OrderJob) -> bool:
        """Whether an errand waits for a worker."""
        return (
            job.parts is None
            and job.new_files is None
            and (bool(job.run) or (self._plan_is_long() and self.ctx.pool.trainer_busy))
        )

    def _plan_is_long(self) -> bool:
        with self.ctx.store.read() as txn:
            return len(txn.table("sightings")) > WORKER_PLAN_THRESHOLD

    def _time(self, state: OrderState, now: float) -> float:
        return max(now, state.done_at + ORDER_SECONDS) if self._looker.indexing else now

    # ---- the work

    def advance(self, now: float, *, asked_only: bool = False) -> None:
        """Begin what is due, and do one part. `asked_only` (a pause): only what someone awaits."""
        if not asked_only:
            if self._restores:
                self._restore_times()
            for state in self._states.values():
                if self._is_due(state) and self._time(state, now) <= now:
                    head, dry_run = self._head(state.watch), self.ctx.config.dry_run
                    self._begin(OrderJob(None, state.watch, head, state.new_files, dry_run=dry_run))
                    state.due, state.new_files, state.done_at = False, set(), now
        job = self._next_job(asked_only)
        if job is not None and not self._waits(job):
            try:
                self._go_on(job)
            except (StoreError, OSError) as error:
                self._back_off(job, error)

    def _head(self, watch: Watch) -> str:
        return self.ctx.ordering_head(watch.taste)

    def _back_off(self, job: OrderJob, error: StoreError | OSError) -> None:
        """The store cannot take it, as on a full disk: it stays due; who asked for it is told."""
        if isinstance(error, OSError):  # a want of descriptors, most likely
            error = StoreError(str(error), "end other programs, or raise limits")
        self._end(job, error)
        if job.order is not None:
            self.reorder(job.order.inbox)
        if not job.asked:
            raise error

    def _go_on(self, job: OrderJob) -> None:
        """Plan it, if that is not done, and do the next part."""
        if self._is_stale(job):
            self._drop(lambda one: one is job)
            return
        if job.order is not None and job.new_files is not None:
            job.parts = self._find_places(job.order, job.head, job.new_files)
            job.new_files = None
        if job.parts is None and job.order is not None:
            if not job.dry_run:
                self._states[job.order.inbox].current_order = None
            if self._plan_is_long():
                task = Plan(job.order, job.head, list(self.refusals()))
                if self.ctx.pool.submit(task):
                    job.run = time.time_ns()
                return
            store, exclude = self.ctx.store, self.refusals()
            planned = plan_inbox.plan_inbox(store, job.order, job.head, exclude)
            touches, job.timeline = planned.touches, planned.timeline
            self._record_ties(job.order, planned.ties if planned.fresh else None)
            job.parts = iter(())
            if job.dry_run:
                job.planned = touches
            else:
                job.parts = apply.apply_plan(store, touches, job.head)
        result = next(job.parts or iter(()), None)
        if result is None:
            self._finish(job)
        else:
            self._did(job, result)

    def _find_places(
        self, watch: Watch, head: str, new_files: set[bytes]
    ) -> Iterator[apply.Outcome] | None:
        """Plan for newcomers only; None where all is to be planned."""
        current_order = self._states[watch.inbox].current_order
        if current_order is None or current_order[0] != head:
            return None
        store, timeline, exclude = self.ctx.store, current_order[1], self.refusals()
        touches = plan_inbox.insert_files(store, watch, head, timeline, sorted(new_files), exclude)
        return None if touches is None else apply.apply_plan(store, touches, head)

    def _is_stale(self, job: OrderJob) -> bool:
        """Whether another head orders by now: the rest of the plan would only be in the way."""
        if job.asked or job.order is None:
            return False
        return job.head != self._head(job.order)

    def _record_ties(self, watch: Watch, ties: Ties | None) -> None:
        if ties is not None:
            self.ctx.store.commit(lambda txn: settings.record_ties(txn, watch.inbox, ties))

    def _did(self, job: OrderJob, result: Any) -> None:
        """A part was done: what was refused is left alone, what has changed is looked at again."""
        if isinstance(result, apply.Outcome):
            for path in result.look_again:
                self._looker.hint(path)
            for error in result.refused:
                self._refused(error.path, error)
        if job.asked:
            job.results.append(result)
        self.ctx.changed()

    def _finish(self, job: OrderJob) -> None:
        if job.order is not None:
            state = self._states[job.order.inbox]
            if job.dry_run and not job.asked:
                state.planned = job.planned
            if job.timeline is not None and not job.dry_run:
                state.current_order = job.head, job.timeline
        self._end(job)

    def take_plan(self, task: Plan, answer: Answer) -> None:
        """A part of a plan that a worker makes: it is done at once."""
        job = next((one for one in self._jobs if one.run), None)
        if job is None or job.order != task.watch:
            return  # nobody wants it any more
        match answer:
            case Planned(touches, ties, last, timeline):
                try:
                    self._take_part(job, task, touches, ties)
                except (StoreError, OSError) as error:
                    self._back_off(job, error)
                    return
                if last:
                    job.timeline = Timeline.unpacked(timeline) if timeline else None
                    self._finish(job)
            case Refused(reason, remedy):
                self._end(job, ImgscoreError(reason, remedy))
            case Crashed(reason):
                self._end(job, ImgscoreError(f"the worker that plans {reason}", "see the log"))
            case _:
                job.run = 0  # it had not begun

    def _take_part(
        self, job: OrderJob, task: Plan, touches: list[PlannedTouch], ties: Ties | None
    ) -> None:
        self._record_ties(task.watch, ties)
        if job.dry_run:
            job.planned += touches
        elif touches and not self._is_stale(job):
            self._did(job, apply.apply_batch(self.ctx.store, touches, job.run, task.head))

    # ---- dates given back

    def _restore_times(self) -> None:
        """A part of what is to have its own date back."""
        files = set(islice(self._restores, apply.TOUCH_BATCH))
        if not self.ctx.config.dry_run:
            self._restore_batch(files)
        self._restores -= files  # not before: a full disk leaves them due

    def _restore_batch(self, files: set[tuple[bytes, bytes]]) -> None:
        store = self.ctx.store
        with store.read() as txn:
            held = [(digest, originals.get(txn, digest, path)) for digest, path in files]
        wanted = [(digest, original) for digest, original in held if original is not None]
        wanted += apply.with_sidecars(store, [original.path for _, original in wanted])
        for part in apply.restore_times(store, wanted):
            for entry, error in part:
                if error is not None:
                    self._refused(entry.path, error)
                    self._looker.hint(entry.path)


def _left(txn: Txn, watches: Watches) -> Iterator[tuple[bytes, bytes]]:
    """Files, (digest, path), with a date of ours in a keep or trash folder; asked at each start."""
    teaches: dict[bytes, bool] = {}
    for digest, path in originals.touched_files(txn):
        folder = path.rpartition(b"/")[0]
        if folder not in teaches:
            place = watches.locate(path)
            teaches[folder] = place is not None and place.role != "inbox"
        if teaches[folder]:
            yield digest, path


def _hold(inbox: bytes) -> str:
    """The name of the setting that holds an inbox."""
    return f"held:{path_key(inbox).hex()}"
