"""Tickets: requests to workers. A later step of the engine stores the answer in the ticket."""

from dataclasses import dataclass, field
from typing import Generic

from imgscore.errors import ImgscoreError
from imgscore.workers.messages import Answer, IndexFile, MakeThumbnail
from imgscore.workers.queries import Query, Row


@dataclass
class IndexTicket:
    """A request to index a file now. The file may be in any folder."""

    path: bytes
    taste: str
    answer: Answer | None = None


class AskedFiles:
    """The tickets of the files that clients have asked for, by path."""

    def __init__(self) -> None:
        self._tickets: dict[bytes, list[IndexTicket]] = {}

    def __contains__(self, path: bytes) -> bool:
        return path in self._tickets

    def add(self, ticket: IndexTicket) -> None:
        """Add a ticket."""
        self._tickets.setdefault(ticket.path, []).append(ticket)

    def taste(self, path: bytes) -> str | None:
        """Return the taste of the oldest ticket of a file, or None if the file has no ticket."""
        tickets = self._tickets.get(path)
        return tickets[0].taste if tickets else None

    def give(self, task: IndexFile, answer: Answer) -> bool:
        """Put a worker's answer into the tickets that wait for this file and this taste.

        Return whether other tickets of the file wait for another taste.
        """
        tickets = self._tickets.pop(task.path, [])
        for ticket in tickets:
            if ticket.taste == task.taste:
                ticket.answer = answer
        others = [ticket for ticket in tickets if ticket.answer is None]
        if others:
            self._tickets[task.path] = others
        return bool(others)


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


@dataclass
class RatingTicket:
    """A request to read the ratings of an image."""

    path: bytes
    answer: Answer | None = None
