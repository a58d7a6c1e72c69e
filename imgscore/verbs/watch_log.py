"""watch-log: what happens, from now on, for as long as somebody listens."""

import time

import msgspec

from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Steps


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to say."""


def run(engine: Engine, request: Request) -> Steps:
    """A first row when it follows; then a row an event, without end."""
    event_log = engine.ctx.event_log
    number, _ = event_log.since(0)
    yield Result({"event": "following", "time_ns": time.time_ns()})
    while True:
        number, rows = event_log.since(number)
        yield from map(Result, rows)
        yield None
