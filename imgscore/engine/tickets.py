"""Tickets: requests to workers whose answers come with the engine's later steps."""

from dataclasses import dataclass, field
from typing import Generic

from imgscore.errors import ImgscoreError
from imgscore.workers.messages import Answer, MakeThumbnail
from imgscore.workers.queries import Query, Row


@dataclass
class IndexTicket:
    """A file to index now, wherever it lies."""

    path: bytes
    taste: str
    answer: Answer | None = None


@dataclass
class ThumbnailTicket:
    """A thumbnail to make."""

    task: MakeThumbnail
    answer: Answer | None = None


@dataclass
class QueryTicket(Generic[Row]):
    """A query to run; its rows come in parts."""

    task: Query[Row]
    rows: list[Row] = field(default_factory=list)
    done: bool = False
    error: ImgscoreError | None = None
    wanted: bool = True
    """set it to False to discard further rows, of which there may be gigabytes"""
