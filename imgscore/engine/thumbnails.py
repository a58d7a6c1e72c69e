"""Thumbnails that clients asked for: made by workers that have nothing more urgent to do."""

from collections import deque

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Stage
from imgscore.engine.tickets import ThumbnailTicket
from imgscore.workers.messages import Answer, MakeThumbnail


class Thumbnailer(Stage[MakeThumbnail]):
    """The thumbnails that are still to be made. A pause does not stop them."""

    handles = (MakeThumbnail,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._waiting: deque[ThumbnailTicket] = deque()
        self._out: list[ThumbnailTicket] = []

    def ask(self, task: MakeThumbnail) -> ThumbnailTicket:
        """Make a thumbnail as soon as there is a worker for it."""
        self._waiting.append(ThumbnailTicket(task))
        return self._waiting[-1]

    def advance(self, conditions: Conditions) -> None:
        """Hand out thumbnails until all workers are busy."""
        while self._waiting and self.ctx.pool.submit(self._waiting[0].task):
            self._out.append(self._waiting.popleft())

    def take(self, task: MakeThumbnail, answer: Answer) -> None:
        """Give a ticket its answer."""
        ticket = next(ticket for ticket in self._out if ticket.task is task)
        self._out.remove(ticket)
        ticket.answer = answer
