"""The stage that finds inboxes that are out of order, and sets the dates of their files.

Each step of the engine sets the dates of one part of a plan. Between the parts, the daemon answers
clients. If the library is large, a worker makes the plan. Each part of this plan is applied as soon
as it arrives. If an inbox is already in order, new files are only inserted. The cost of an
insertion does not grow with the number of files in the inbox.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from imgscore.engine import apply
from imgscore.engine.context import EngineContext
from imgscore.engine.order_holds import Holds
from imgscore.engine.order_jobs import (
    CurrentOrder,
    OrderJob,
    OrderState,
    PartResult,
    add_regrouped,
    log_touched,
    may_flush,
    may_not_plan,
    plan_all,
    report_unusable,
)
from imgscore.engine.problems import described
from imgscore.engine.refusals import Refusals
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.errors import CorruptStoreError, ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.order.touch import TouchError
from imgscore.store import settings
from imgscore.store.schema import Ties
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers import plan_inbox
from imgscore.workers.messages import Answer, Crashed, Plan, Planned, PlannedTouch, Refused

# The smallest number of seconds between two orders of an inbox while files are being indexed, or
# arrive faster than they can be inserted.
ORDER_SECONDS = 10.0
# If the store has more sightings than this number, a worker makes the plan instead of the daemon. A
# plan for 30,000 sightings takes 1 s and 100 MB of memory.
WORKER_PLAN_THRESHOLD = 5_000


class OrderScheduler(Stage[Plan]):
    """The stage that orders inboxes. It also runs the jobs of clients that change file dates."""

    handles = (Plan,)

    def __init__(self, ctx: EngineContext, refusals: Refusals, txn: Txn) -> None:
        self.ctx = ctx
        self._states = {watch.inbox: OrderState(watch) for watch in ctx.watches.all}
        self._jobs: list[OrderJob] = []
        self._refusals = refusals
        self._effects = Effects()
        """the effects that the next call of `advance` or `take` returns"""
        self._held = Holds(ctx.store, txn, self._states)

    # ---- the inboxes that must be ordered

    def reorder(self, inbox: bytes) -> None:
        """Schedule an order of an inbox in which any file may be out of order."""
        if not plan_all(self._jobs, inbox):
            self._states[inbox].due, self._states[inbox].new_files = True, None

    def reorder_taste(self, taste: str) -> None:
        """Schedule an order of every inbox of a taste."""
        for inbox, state in self._states.items():
            if state.watch.taste == taste:
                self.reorder(inbox)

    def add_files(self, inbox: bytes, paths: set[bytes]) -> None:
        """Schedule an order of an inbox in which these files are new or changed."""
        self._states[inbox].add_files(paths)

    def receive(self, effects: Effects) -> None:
        """Schedule an order of each inbox that has new files or new scores."""
        for inbox, paths in effects.new_files.items():
            self.add_files(inbox, paths)
        for taste in effects.reorder:
            self.reorder_taste(taste)
        if effects.regrouped:
            add_regrouped(self.ctx.store, self._states, effects.regrouped)

    def held(self, inbox: bytes) -> bool:
        """Return whether automatic orders of an inbox are off.

        They are off after the user restored the dates of the inbox.
        """
        return inbox in self._held

    def hold(self, inbox: bytes, *, held: bool) -> None:
        """Switch the automatic orders of an inbox off if `held` is true, else on.

        While they are off, the inbox is ordered only if a client asks. The setting is stored.
        """
        if held:
            self._drop(lambda job: job.order is not None and job.order.inbox == inbox)
            self._states[inbox].current_order = None
        if held == (inbox in self._held):
            return
        self._held.put(inbox, held=held)
        self.ctx.changed()

    def suspend(self, inbox: bytes) -> None:
        """Switch the automatic orders of an inbox off, but only until this engine ends."""
        self.hold(inbox, held=True)
        self._held.forget_at_end(inbox)

    def planned(self, inbox: bytes) -> list[PlannedTouch]:
        """Return the touches that the last automatic dry run planned for an inbox."""
        return self._states[inbox].planned

    def refusals(self) -> dict[bytes, TouchError]:
        """Return the errors of files whose date cannot be set, by path.

        An order skips these files as long as they do not change.
        """
        return self._refusals.current()

    @property
    def owners(self) -> Iterable[object]:
        """The owners of the problems of this stage: each inbox has its own problems."""
        return (self, *self._states.values())

    # ---- jobs: changes of file dates

    def order(self, watch: Watch, *, dry_run: bool = False) -> OrderJob:
        """Start a job that orders an inbox for a client, and return the job.

        If the dates of some files could not be set before, the job tries these files again.
        """
        self._refusals.clear()
        head = self._head(watch)
        return self._begin(OrderJob(order=watch, head=head, asked=True, dry_run=dry_run))

    def run(self, parts: Iterator[PartResult], *, dry_run: bool = False) -> OrderJob:
        """Start a job for a client, and return the job.

        The engine does one part of the job in each step. `parts`: an iterator. Each call of `next`
        does one part of the job and returns the result.
        """
        return self._begin(OrderJob(parts, asked=True, dry_run=dry_run))

    def _begin(self, job: OrderJob) -> OrderJob:
        job.began = time.monotonic()
        self._jobs.append(job)
        self.ctx.changed()
        return job

    def _end(self, job: OrderJob, error: ImgscoreError | None = None) -> None:
        self._jobs = [other for other in self._jobs if other is not job]
        job.done, job.error = True, error
        self.ctx.changed()

    def drop_unasked(self) -> None:
        """Drop the order jobs that no client asked for. Call this when a pause begins.

        The inboxes of these jobs are ordered after the pause.
        """
        self._drop(lambda job: job.order is not None)

    def _drop(self, unwanted: Callable[[OrderJob], bool]) -> None:
        """Drop each job that no client asked for, if `unwanted(job)` is true.

        If a dropped job was an order, schedule a new order of the inbox.
        """
        for job in [job for job in self._jobs if not job.asked and unwanted(job)]:
            self._end(job)
            if job.order is not None:
                self.reorder(job.order.inbox)

    # ---- state of the orders

    def _is_due(self, state: OrderState) -> bool:
        inbox = state.watch.inbox
        if not state.is_due or inbox in self._held or not self.ctx.is_online(inbox):
            return False
        return self._head(state.watch) is not None

    @property
    def pending(self) -> int:
        """The number of unfinished jobs plus the number of inboxes whose order is due."""
        due = sum(self._is_due(state) for state in self._states.values())
        return len(self._jobs) + due + may_flush(self.ctx.store, self._jobs)

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the present time if a job can continue, else of the next order, if any."""
        job = self._next_job(conditions)
        if may_flush(self.ctx.store, self._jobs) or (job is not None and not self._waits(job)):
            return conditions.now
        if conditions.paused:
            return None
        due = (self._time(state, conditions) for state in self._states.values())
        return min((time for time in due if time is not None), default=None)

    def _next_job(self, conditions: Conditions) -> OrderJob | None:
        return next((job for job in self._jobs if job.asked or not conditions.paused), None)

    def _waits(self, job: OrderJob) -> bool:
        """Return whether a job waits for a worker."""
        return (
            job.parts is None
            and job.new_files is None
            and (bool(job.run) or (self._plan_is_long() and may_not_plan(self.ctx.pool)))
        )

    def _plan_is_long(self) -> bool:
        with self.ctx.store.read() as txn:
            return len(txn.table("sightings")) > WORKER_PLAN_THRESHOLD

    def _time(self, state: OrderState, conditions: Conditions) -> float | None:
        """Return the time at which an order of the inbox may begin.

        Return None if no order is due, or while an automatic job orders the inbox.
        """
        ordering = (job.order for job in self._jobs if not job.asked)
        if not self._is_due(state) or state.watch in ordering:
            return None
        busy = conditions.indexing or state.many_new
        wait = state.done_at + ORDER_SECONDS if busy else conditions.now
        regrouped_at = state.regrouped_at()
        if regrouped_at is not None and not (state.due or state.regrouped):
            wait = max(wait, regrouped_at)
        return max(conditions.now, wait, self.ctx.problems.retry_at(state) or 0.0)

    # ---- planning and applying orders

    def advance(self, conditions: Conditions) -> Effects:
        """Start a job for each order that is due, and do one part of the first job."""
        for state in self._states.values() if not conditions.paused else ():
            due = self._time(state, conditions)
            if due is not None and due <= conditions.now:
                head, dry_run = self._head(state.watch), self.ctx.config.dry_run
                files = state.begin(conditions.now)
                self._begin(OrderJob(None, state.watch, head, *files, dry_run=dry_run))
        job = self._next_job(conditions)
        if may_flush(self.ctx.store, self._jobs):
            self.ctx.store.flush_part()
        elif job is not None and not self._waits(job):
            try:
                self._go_on(job)
            except CorruptStoreError:
                raise
            except Exception as error:  # noqa: BLE001 - it becomes a problem of the inbox
                self._failed(job, error)
        return self._take_effects()

    def _take_effects(self) -> Effects:
        effects, self._effects = self._effects, Effects()
        return effects

    def _head(self, watch: Watch) -> str | None:
        return self.ctx.ordering_head(watch.taste)

    def _failed(self, job: OrderJob, error: Exception) -> None:
        """End a job after an error, for example because the disk is full. Order the inbox later.

        If a client asked for the job, the job stores the error for the client. Otherwise the error
        is a problem of the inbox. Other inboxes are ordered all the same.
        """
        owner = self if job.order is None else self._states[job.order.inbox]
        if not job.asked:
            self.ctx.problems.failed(owner, error)
        self._end(job, described(owner, error))
        if job.order is not None:
            self.reorder(job.order.inbox)

    def _go_on(self, job: OrderJob) -> None:
        """Make the plan of a job if the job has no plan yet, and do the next part of the job."""
        if self._is_stale(job):
            self._drop(lambda other: other is job)
            return
        watch, head = job.order, job.head
        if watch is not None and head is not None:
            if job.new_files is not None:
                job.parts = self._insert_files(watch, head, job.new_files, job.regrouped)
                new_files, job.new_files = job.new_files, None
                if job.parts is None and not new_files:
                    self._states[watch.inbox].put_off_regrouped(time.monotonic())
                    self._end(job)
                    return
            if job.parts is None and not self._plan(job, watch, head):
                return
        result = next(job.parts or iter(()), None)
        if result is None:
            self._finish(job)
        else:
            self._did(job, result)

    def _plan(self, job: OrderJob, watch: Watch, head: str) -> bool:
        """Make the plan of an inbox. Return False if a worker has to make the plan instead."""
        if not job.dry_run:
            self._states[watch.inbox].current_order = None
        if self._plan_is_long():
            task = Plan(watch, head, list(self.refusals()))
            if self.ctx.pool.submit(task):
                job.run, job.task = time.time_ns(), task
            return False
        planned = plan_inbox.plan_inbox(self.ctx.store, watch, head, self.refusals())
        touches, job.timeline = planned.touches, planned.timeline
        self._record_ties(watch, planned.ties if planned.store_ties else None)
        report_unusable(self.ctx.notes, watch, head, planned.unusable)
        if job.dry_run:
            job.planned, job.parts = touches, iter(())
        else:
            job.parts = apply.apply_plan(self.ctx.store, touches, head)
        return True

    def _insert_files(
        self, watch: Watch, head: str, new_files: set[bytes], regrouped: set[bytes]
    ) -> Iterator[apply.Outcome] | None:
        """Return an iterator that inserts only these files into the order of an inbox.

        Return None if the whole inbox must be planned instead.
        """
        current_order = self._states[watch.inbox].current_order
        if current_order is None or current_order.head != head:
            return None
        store, timeline, exclude = self.ctx.store, current_order.timeline, self.refusals()
        touches = plan_inbox.insert_files(
            store, watch, head, timeline, new_files, exclude, regrouped
        )
        return None if touches is None else apply.apply_plan(store, touches, head)

    def _is_stale(self, job: OrderJob) -> bool:
        """Return whether an automatic job is useless, because its head is no longer in use."""
        if job.asked or job.order is None:
            return False
        return job.head != self._head(job.order)

    def _record_ties(self, watch: Watch, ties: Ties | None) -> None:
        if ties is not None:
            self.ctx.store.commit(lambda txn: settings.record_ties(txn, watch.inbox, ties))

    def _did(self, job: OrderJob, result: PartResult) -> None:
        """Process the result of one part of a job.

        Changed files are indexed again. Later orders skip the files whose date could not be set.
        """
        if isinstance(result, apply.Outcome):
            self._effects.changed |= set(result.changed)
            for error in result.refused:
                self._refusals.add(error)
            job.touched += len(result.touched)
        elif not job.dry_run:
            job.touched += sum(restored.error is None for restored in result)
        if job.asked:
            job.results.append(result)
        self.ctx.changed()

    def _finish(self, job: OrderJob) -> None:
        if job.order is not None:
            state = self._states[job.order.inbox]
            self.ctx.problems.solved(state)
            self.ctx.problems.answered(state)
            if job.dry_run and not job.asked:
                state.planned = job.planned
            if job.timeline is not None and job.head is not None and not job.dry_run:
                state.current_order = CurrentOrder(job.head, job.timeline)
        log_touched(self.ctx.store, job)
        self._end(job)

    def take(self, task: Plan, answer: Answer) -> Effects | None:
        """Apply the part of a plan that a worker has sent."""
        job = next((job for job in self._jobs if job.task is task), None)
        if job is None:
            return None  # The job was dropped before this answer arrived.
        match answer:
            case Planned(touches, ties, last, timeline):
                try:
                    self._take_part(job, task, touches, ties)
                except CorruptStoreError:
                    raise
                except Exception as error:  # noqa: BLE001 - it becomes a problem of the inbox
                    self._failed(job, error)
                    return self._take_effects()
                if last:
                    report_unusable(self.ctx.notes, task.watch, task.head, answer.unusable)
                    job.timeline = Timeline.unpacked(timeline) if timeline else None
                    self._finish(job)
            case Refused(reason, remedy):
                self._failed(job, ImgscoreError(reason, remedy))
            case Crashed(reason):
                self._failed(job, ImgscoreError(f"the planning worker {reason}", "see the log"))
            case _:
                job.run, job.task = 0, None  # Send the task to a worker again.
        return self._take_effects()

    def _take_part(
        self, job: OrderJob, task: Plan, touches: list[PlannedTouch], ties: Ties | None
    ) -> None:
        self._record_ties(task.watch, ties)
        if job.dry_run:
            job.planned += touches
        elif touches and not self._is_stale(job):
            self._did(job, apply.apply_batch(self.ctx.store, touches, job.run, task.head))
