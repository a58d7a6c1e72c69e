"""The state of each inbox's order, and of each change of dates that is under way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from imgscore.errors import ImgscoreError
from imgscore.order.timeline import Timeline
from imgscore.watches import Watch
from imgscore.workers.messages import PlannedTouch


@dataclass
class OrderState:
    """What is known of one inbox's order."""

    watch: Watch
    due: bool = True
    new_files: set[bytes] | None = None
    """what came since it was in order; None: anything may be off"""
    current_order: tuple[str, Timeline] | None = None
    """under which head it is in order, and how; None: that is not known"""
    done_at: float = float("-inf")
    planned: list[PlannedTouch] = field(default_factory=list)
    """in a dry run: what would be touched"""


@dataclass
class OrderJob:
    """Dates to be changed, a part a step. Who asked for it takes what has become of each part."""

    parts: Iterator[Any] | None = None
    """each a part done, and what became of it; None: it is not planned, or by a worker"""
    order: Watch | None = None
    """the inbox to be brought into order, where that is the errand"""
    head: str | None = None
    """the version of the head that orders it"""
    new_files: set[bytes] | None = None
    """what is to be brought into order, where the rest is"""
    asked: bool = False
    dry_run: bool = False
    planned: list[PlannedTouch] = field(default_factory=list)
    """in a dry run: what would be touched"""
    timeline: Timeline | None = None
    """how the inbox stands when all parts are done"""
    run: int = 0
    """when a worker was asked for the plan, for the journal; 0: none was"""
    results: list[Any] = field(default_factory=list)
    began: float = 0.0
    """monotonic seconds"""
    touched: int = 0
    """dates set so far"""
    done: bool = False
    error: ImgscoreError | None = None

    def take(self) -> list[Any]:
        """What has become of the parts that were done since the last call. Raises its error."""
        if self.error is not None:
            raise self.error
        results, self.results = self.results, []
        return results
