"""The verb `watch-log`: send new events to the client until the client closes the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgscore import events
from imgscore.events import Event
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

Response = Event


class Request(BaseRequest[Response]):
    """This request has no arguments."""


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one Following, and after it each new event. The generator never ends."""
    event_log = engine.ctx.event_log
    number, _ = event_log.since(0)
    yield Result(events.Following())
    while True:
        number, new = event_log.since(number)
        yield from map(Result, new)
        yield None
