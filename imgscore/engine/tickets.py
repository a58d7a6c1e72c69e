"""Tickets: requests to workers. A later step of the engine stores the answer in the ticket."""

from dataclasses import dataclass, field
from typing import Generic

from imgscore.errors import ImgscoreError
from imgscore.workers.messages import Answer, MakeThumbnail
from imgscore.workers.queries import Query, Row


@dataclass
class IndexTicket:
    """A request to index a file now. The file may be in any folder."""

    path: bytes
    taste: str
    answer: Answer | None = None


@dataclass
class ThumbnailTicket:
    """A request to make a thumbnail."""

    task: MakeThumbnail
    answer: Answer | None = None


@dataclass
class QueryTicket(Generic[Row]):
    """A request to run a query. The rows of the answer arrive in parts."""

    task: Query[Row]
    rows: list[Row] = field(default_factory=list)
    done: bool = False
    progress: tuple[int, int] | None = None
    """the number of finished steps and of all steps; None if the worker has sent no progress"""
    error: ImgscoreError | None = None
    wanted: bool = True
    """whether the client still needs the rows. If this is False, further rows are discarded,
    because they could fill gigabytes of memory."""
