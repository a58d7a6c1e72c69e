"""The state of each inbox's order, and the jobs that change file dates."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.engine.apply import Outcome, RestoreResult
from imgscore.engine.context import WorkerPool
from imgscore.engine.log_text import counted, short_path
from imgscore.errors import ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.store import counts, sightings
from imgscore.store.store import Store
from imgscore.watches import Watch
from imgscore.workers.messages import OrderTask, Plan, PlannedTouch, Train

logger = logging.getLogger(__name__)

# The largest number of new files that are inserted into an existing order. For more files, a new
# plan of the whole inbox costs less.
INCREMENTAL_LIMIT = 64
# If the groups of many files change, the inbox is planned once, when no group has changed for this
# number of seconds. A search for groups reports its results in many parts.
QUIET_SECONDS = 5.0
# The largest number of seconds for which such a plan waits. Measuring a large library takes hours.
MAX_REGROUP_SECONDS = 600.0

PartResult = Outcome | list[RestoreResult]
"""The result of one part of a job: touches that set an order, or restored dates."""


class CurrentOrder(NamedTuple):
    """The present order of an inbox. `timeline` contains the files in this order.

    `head`: the version of the head whose scores determine the order.
    """

    head: str
    timeline: Timeline


@dataclass(eq=False)
class OrderState:
    """The state of the order of one inbox."""

    watch: Watch
    due: bool = True
    new_files: set[bytes] | None = None
    """the files that arrived or changed after the last order. None means that any file may be out
    of order."""
    current_order: CurrentOrder | None = None
    """the present order of the inbox, or None if the order is not known"""
    done_at: float = float("-inf")
    """the time at which the last automatic order of the inbox began, in monotonic seconds"""
    many_new: bool = False
    """whether more files arrived or changed after the last order than can be inserted"""
    regrouped: set[bytes] = field(default_factory=set)
    """the files of the inbox whose groups changed after the last order"""
    many_regrouped: tuple[float, float] | None = None
    """the times of the first and the last change of a group, in monotonic seconds, if more files
    have changed groups than can be inserted. None: the groups of few files have changed."""
    planned: list[PlannedTouch] = field(default_factory=list)
    """the touches that an order would make. Only a dry run sets this field."""

    @property
    def name(self) -> str:
        """The name of the state as the owner of a problem."""
        return f"the order of {short_path(self.watch.inbox)}"

    def add_files(self, paths: set[bytes]) -> None:
        """Make an order due in which these files are new or changed."""
        self.due = True
        if self.new_files is not None:
            self.new_files = self.new_files | paths
            if len(self.new_files) > INCREMENTAL_LIMIT:
                self.new_files, self.many_new = None, True

    def add_regrouped(self, paths: set[bytes], now: float) -> None:
        """Make an order due in which these files have other groups, or other places in a group."""
        if self.many_regrouped is not None:
            self.many_regrouped = (self.many_regrouped[0], now)
            return
        self.regrouped = self.regrouped | paths
        if len(self.regrouped) > INCREMENTAL_LIMIT:
            self.regrouped, self.many_regrouped = set(), (now, now)

    def put_off_regrouped(self, now: float) -> None:
        """Make a plan of the whole inbox due, because files have other groups, but not at once."""
        self.current_order = None
        self.many_regrouped = self.many_regrouped or (now, now)

    @property
    def is_due(self) -> bool:
        """Return whether an order must be made, now or later."""
        return self.due or bool(self.regrouped) or self.many_regrouped is not None

    def regrouped_at(self) -> float | None:
        """Return the time from which the new groups of many files may be ordered, or None."""
        if self.many_regrouped is None:
            return None
        first, last = self.many_regrouped
        return min(last + QUIET_SECONDS, first + MAX_REGROUP_SECONDS)

    def begin(self, now: float) -> tuple[set[bytes] | None, set[bytes]]:
        """Begin the order that is due. Return its new files, and the files with other groups.

        `now`: in monotonic seconds.
        """
        at = self.regrouped_at()
        if at is not None and at <= now:
            self.new_files = None
        new_files, regrouped = self.new_files, self.regrouped
        if new_files is None:
            self.many_regrouped = None
        self.due, self.new_files, self.many_new, self.done_at = False, set(), False, now
        self.regrouped = set()
        return new_files, regrouped


@dataclass
class OrderJob:
    """A job that changes file dates, one part in each step of the engine.

    If a client asked for the job, the client receives the result of each part.
    """

    parts: Iterator[PartResult] | None = None
    """an iterator. Each call of `next` does one part of the job and returns the result of this
    part. None means that the plan is not ready: it was not begun, or a worker makes it now."""
    order: Watch | None = None
    """the watch whose inbox is to be ordered. None means that the job does something else, such as
    an undo."""
    head: str | None = None
    """the version of the head that orders the inbox"""
    new_files: set[bytes] | None = None
    """the files to insert into an inbox that is already in order. None means that the whole inbox
    must be ordered."""
    regrouped: set[bytes] = field(default_factory=set)
    """the files whose groups have changed; they are inserted again"""
    asked: bool = False
    """whether a client asked for the job"""
    dry_run: bool = False
    planned: list[PlannedTouch] = field(default_factory=list)
    """the touches that the job would make. Only a dry run sets this field."""
    timeline: Timeline | None = None
    """the order that the inbox has after the last part of the job"""
    run: int = 0
    """the number that all journal entries of the job have in common, if a worker makes the plan. 0
    means that no worker makes the plan."""
    task: Plan | None = None
    """the task of the worker that makes the plan. The answers to the task of a job that has failed
    can arrive when the next job of the same inbox waits for its own plan."""
    results: list[PartResult] = field(default_factory=list)
    began: float = 0.0
    """the time at which the job began, in monotonic seconds"""
    touched: int = 0
    """the number of dates that the job has set"""
    done: bool = False
    error: ImgscoreError | None = None

    def take(self) -> list[PartResult]:
        """Return the results of the parts that were finished after the last call.

        Raises the job's error if the job has failed.
        """
        if self.error is not None:
            raise self.error
        results, self.results = self.results, []
        return results


def plan_all(jobs: Iterable[OrderJob], inbox: bytes) -> bool:
    """Let an automatic job whose plan was not begun plan the whole inbox.

    Return False if there is no such job. A job can wait until all files have scores of its head.
    """
    for job in jobs:
        is_unplanned = job.parts is None and not job.run and not job.asked
        if is_unplanned and job.order is not None and job.order.inbox == inbox:
            job.new_files = None
            return True
    return False


def may_flush(store: Store, jobs: Iterable[OrderJob]) -> bool:
    """Return whether deferred writes must be made now: no job is setting dates."""
    return not store.deferred.is_empty and not any(job.run or job.parts for job in jobs)


def may_not_plan(pool: WorkerPool) -> bool:
    """Return whether a plan by the order worker must wait: a worker scores, plans or trains.

    The scores of the new head will need another plan. Other tasks of the trainer, such as a backup,
    can take minutes in a large store, and do not delay a plan.
    """
    tasks = (task for pid in pool.pids() for task in pool.tasks(pid))
    return any(isinstance(task, OrderTask | Train) for task in tasks)


def log_touched(store: Store, job: OrderJob) -> None:
    """Log the number of dates that a job has set, if there are any."""
    if not job.touched:
        return
    text = counted(job.touched, "earlier date")
    if job.order is not None:
        with store.read() as txn:
            files = counts.files(txn, job.order.inbox, "inbox")
        text = (
            f"order of {short_path(job.order.inbox)}: {job.touched:,} of {counted(files, 'date')}"
        )
    logger.info("%s set in %.1f s", text, time.monotonic() - job.began)


def report_unusable(notes: dict[str, str], watch: Watch, head: str, count: int) -> None:
    """Report that scores of an inbox are not numbers. An older version stored such scores."""
    key = f"scores of {short_path(watch.inbox)}"
    notes.pop(key, None)
    if count:
        text = f"head {head} gave {counted(count, 'image')} a score that is not a number"
        notes[key] = f"{text}; they keep their dates; train again: imgscore train"


def add_regrouped(store: Store, states: Mapping[bytes, OrderState], digests: Set[bytes]) -> None:
    """Make the order of each inbox due in which images with changed groups are."""
    inboxes = {inbox for inbox, state in states.items() if state.watch.groups != "off"}
    found: dict[bytes, set[bytes]] = {}
    with store.read() as txn:
        for digest in digests if inboxes else ():
            for file in sightings.of_digest(txn, digest):
                if file.role == "inbox" and file.inbox in inboxes and not file.gone_ns:
                    found.setdefault(file.inbox, set()).add(file.path)
    for inbox, paths in found.items():
        states[inbox].add_regrouped(paths, time.monotonic())
