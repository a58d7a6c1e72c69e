"""pause: do nothing until told otherwise, or for a while. Kept over restarts."""

import time

import msgspec

from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Steps

# "Until told otherwise": far away, and still a valid date.
FOREVER_NS = 4_102_444_800 * 10**9


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`seconds`: how long; None = until `resume`."""

    seconds: float | None = None


def run(engine: Engine, request: Request) -> Steps:
    """One row."""
    until_ns = FOREVER_NS
    if request.seconds is not None:
        until_ns = time.time_ns() + int(request.seconds * 1e9)
    engine.pause(until_ns)
    yield Result({"state": "paused", "paused_until_ns": until_ns, "error": None})
