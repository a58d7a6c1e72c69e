"""Thumbnails that someone asked for: handed to workers that have nothing more urgent to do."""

from collections import deque

from imgscore.engine.context import EngineContext
from imgscore.engine.tickets import ThumbnailTicket
from imgscore.workers.messages import Answer, MakeThumbnail


class Thumbnailer:
    """Knows which thumbnails are still to be made."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._waiting: deque[ThumbnailTicket] = deque()
        self._out: list[ThumbnailTicket] = []

    def ask(self, task: MakeThumbnail) -> ThumbnailTicket:
        """Make a thumbnail as soon as there is a worker for it."""
        self._waiting.append(ThumbnailTicket(task))
        return self._waiting[-1]

    def advance(self) -> None:
        """Hand out what workers have room for."""
        while self._waiting and self.ctx.pool.submit(self._waiting[0].task):
            self._out.append(self._waiting.popleft())

    def take(self, task: MakeThumbnail, answer: Answer) -> None:
        """A worker's answer."""
        ticket = next(one for one in self._out if one.task is task)
        self._out.remove(ticket)
        ticket.answer = answer
