"""The state of each inbox's order, and the jobs that change file dates."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.engine.apply import Outcome, RestoreResult
from imgscore.errors import ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.watches import Watch
from imgscore.workers.messages import PlannedTouch

PartResult = Outcome | list[RestoreResult]
"""The result of one part of a job: touches that set an order, or restored dates."""


class CurrentOrder(NamedTuple):
    """The known order of an inbox: the files have the order `timeline`, computed with `head`."""

    head: str
    timeline: Timeline


@dataclass
class OrderState:
    """The state of the order of one inbox."""

    watch: Watch
    due: bool = True
    new_files: set[bytes] | None = None
    """the files that arrived or changed after the last order. None means that any file may be out
    of order."""
    current_order: CurrentOrder | None = None
    """the known order of the inbox, or None if it is not known"""
    done_at: float = float("-inf")
    """the time at which the last job began, in monotonic seconds"""
    planned: list[PlannedTouch] = field(default_factory=list)
    """the touches that an order would make. Only a dry run sets this field."""


@dataclass
class OrderJob:
    """A job that changes file dates, one part in each step of the engine.

    The client that asked for the job receives the result of each part.
    """

    parts: Iterator[PartResult] | None = None
    """an iterator that does one part of the job and then yields its result. None means that the job
    has no plan yet, or that a worker plans it."""
    order: Watch | None = None
    """the watch whose inbox is to be ordered. None for a job of another kind."""
    head: str | None = None
    """the version of the head that orders the inbox"""
    new_files: set[bytes] | None = None
    """the files to insert into an inbox that is already in order"""
    asked: bool = False
    """whether a client asked for the job"""
    dry_run: bool = False
    planned: list[PlannedTouch] = field(default_factory=list)
    """the touches that the job would make. Only a dry run sets this field."""
    timeline: Timeline | None = None
    """the order of the inbox after all parts of the job"""
    run: int = 0
    """the journal's number for a plan that a worker makes. 0 means that no worker makes a plan."""
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
