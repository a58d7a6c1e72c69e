"""Queries about a taste. The training worker answers them one after the other."""

from collections import deque
from typing import Any

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Stage
from imgscore.engine.tickets import QueryTicket
from imgscore.errors import ImgscoreError, ModelError, of_kind
from imgscore.workers.messages import (
    Answer,
    Crashed,
    Interrupted,
    ModelUnavailable,
    Progressed,
    Refused,
)
from imgscore.workers.process import NoWorkerError
from imgscore.workers.queries import Query, QueryRows, Row


class Queries(Stage[Query[Any]]):
    """The stage that runs the queries of clients. A pause does not stop this stage."""

    handles = (Query,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self.tickets: deque[QueryTicket[Any]] = deque()
        """the queries in the order of their arrival"""
        self._running = False
        """whether a worker runs the first query now"""

    def ask(self, query: Query[Row]) -> QueryTicket[Row]:
        """Queue a query and return its ticket.

        The query runs as soon as the training worker is free.
        """
        ticket = QueryTicket(query)
        self.tickets.append(ticket)
        return ticket

    def advance(self, conditions: Conditions) -> None:
        """Send the next query to the training worker, if no query runs now."""
        while self.tickets and not self._running:
            try:
                self._running = self.ctx.pool.submit(self.tickets[0].task)
                return
            except NoWorkerError:
                raise
            except ImgscoreError as error:  # The query cannot be encoded. The next one may be.
                self.tickets.popleft().error = error

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the present time if a query waits and the training worker is free, else None."""
        waits = self.tickets and not self._running and not self.ctx.pool.trainer_busy
        return conditions.now if waits else None

    def take(self, task: Query[Any], answer: Answer) -> None:
        """Add rows from the worker to the ticket of the query, or put an error into the ticket."""
        ticket = self.tickets[0]
        match answer:
            case QueryRows(rows, last):
                if ticket.wanted:
                    ticket.rows += rows
                ticket.done = last
            case Progressed(done, total):
                ticket.progress = done, total
            case Refused(reason, remedy, kind):
                ticket.error = of_kind(kind, reason, remedy)
            case ModelUnavailable(reason, remedy):
                ticket.error = ModelError(reason, remedy)
            case Crashed(reason):
                ticket.error = ImgscoreError(f"the worker {reason}", "see the log")
            case Interrupted(reason, remedy):
                ticket.error = ImgscoreError(reason, remedy)
            case _:
                ticket.error = ImgscoreError("the worker gave no answer", "try again")
        if ticket.done or ticket.error:
            self._end()

    def retry(self, task: Query[Any]) -> None:
        """End the query with an error, because the answer could not be processed."""
        if self.tickets and self._running:
            self.tickets[0].error = ImgscoreError(
                "the answer of the worker could not be processed", "see the log of the daemon"
            )
            self._end()

    def _end(self) -> None:
        self.tickets.popleft()
        self._running = False
