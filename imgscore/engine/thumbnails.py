"""Thumbnails for clients. A worker makes a thumbnail when no other task is more urgent."""

from collections import deque

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Stage
from imgscore.engine.tickets import ThumbnailTicket
from imgscore.workers.messages import Answer, MakeThumbnail


class Thumbnailer(Stage[MakeThumbnail]):
    """The stage that lets workers make thumbnails. A pause does not stop this stage."""

    handles = (MakeThumbnail,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._waiting: deque[ThumbnailTicket] = deque()
        self._out: list[ThumbnailTicket] = []

    def ask(self, task: MakeThumbnail) -> ThumbnailTicket:
        """Queue a thumbnail and return its ticket.

        The thumbnail is made as soon as a worker is free.
        """
        self._waiting.append(ThumbnailTicket(task))
        return self._waiting[-1]

    def advance(self, conditions: Conditions) -> None:
        """Send thumbnail tasks to the workers until all workers are busy."""
        while self._waiting and self.ctx.pool.submit(self._waiting[0].task):
            self._out.append(self._waiting.popleft())

    def take(self, task: MakeThumbnail, answer: Answer) -> None:
        """Put the worker's answer into the ticket that contains `task`."""
        ticket = next(ticket for ticket in self._out if ticket.task is task)
        self._out.remove(ticket)
        ticket.answer = answer
