"""The state of each inbox's order, and of each change of dates that is under way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imgscore.engine.apply import Outcome, RestoreResult
from imgscore.errors import ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.watches import Watch
from imgscore.workers.messages import PlannedTouch

PartResult = Outcome | list[RestoreResult]
"""The result of a part of a job: of touches, or of restored dates."""


class CurrentOrder(NamedTuple):
    """An inbox is in the order `timeline` under the head `head`."""

    head: str
    timeline: Timeline


@dataclass
class OrderState:
    """The order of one inbox."""

    watch: Watch
    due: bool = True
    new_files: set[bytes] | None = None
    """files that came since it was in order; None: any file may be out of order"""
    current_order: CurrentOrder | None = None
    """None: not known"""
    done_at: float = float("-inf")
    """when the last job began, in monotonic seconds"""
    planned: list[PlannedTouch] = field(default_factory=list)
    """in a dry run: the touches that it would take"""


@dataclass
class OrderJob:
    """Dates to be changed, a part a step. A client that asked takes the result of each part."""

    parts: Iterator[PartResult] | None = None
    """doing a part yields its result; None: not planned yet, or planned by a worker"""
    order: Watch | None = None
    """the inbox to be brought into order, if that is the job"""
    head: str | None = None
    """the version of the head that orders it"""
    new_files: set[bytes] | None = None
    """files to be inserted into an inbox that is in order"""
    asked: bool = False
    """whether a client asked for it"""
    dry_run: bool = False
    planned: list[PlannedTouch] = field(default_factory=list)
    """in a dry run: the touches that it would take"""
    timeline: Timeline | None = None
    """the order of the inbox once all parts are done"""
    run: int = 0
    """the journal's number of a plan that a worker makes; 0: no worker does"""
    results: list[PartResult] = field(default_factory=list)
    began: float = 0.0
    """monotonic seconds"""
    touched: int = 0
    """dates set so far"""
    done: bool = False
    error: ImgscoreError | None = None

    def take(self) -> list[PartResult]:
        """The results of the parts that were done since the last call. Raises the job's error."""
        if self.error is not None:
            raise self.error
        results, self.results = self.results, []
        return results
