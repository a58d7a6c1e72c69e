"""Tickets: requests to workers whose answers come with the engine's later steps."""

from dataclasses import dataclass, field
from typing import Any

from imgscore.errors import ImgscoreError
from imgscore.workers.messages import Answer, MakeThumbnail, Query


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
class QueryTicket:
    """A query to run; its rows come in parts."""

    task: Query
    rows: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    error: ImgscoreError | None = None
    wanted: bool = True
    """set it to False to discard further rows, of which there may be gigabytes"""
