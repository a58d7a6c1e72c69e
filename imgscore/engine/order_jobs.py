"""The state of each inbox's order, and the jobs that change file dates."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.engine.apply import Outcome, RestoreResult
from imgscore.engine.log_text import counted, short_path
from imgscore.errors import ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.store import counts
from imgscore.store.store import Store
from imgscore.watches import Watch
from imgscore.workers.messages import PlannedTouch

# The largest number of new files that are inserted into an existing order. For more files, a new
# plan of the whole inbox costs less.
INCREMENTAL_LIMIT = 64

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

    def begin(self, now: float) -> set[bytes] | None:
        """Begin the order that is due, and return its new files. `now`: in monotonic seconds."""
        new_files = self.new_files
        self.due, self.new_files, self.many_new, self.done_at = False, set(), False, now
        return new_files


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


def touched_text(store: Store, job: OrderJob) -> str:
    """Return a log text with the number of dates that a job has set."""
    if job.order is None:
        return counted(job.touched, "earlier date")
    with store.read() as txn:
        files = counts.files(txn, job.order.inbox, "inbox")
    return f"order of {short_path(job.order.inbox)}: {job.touched:,} of {counted(files, 'date')}"
