"""The verb `pause`: pause the daemon for a given time, or until `resume`.

The pause continues if the daemon restarts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

FOREVER_NS = 4_102_444_800 * 10**9
"""The end of a pause that has no time limit, in nanoseconds since 1970. It is in the year 2100."""


class Response(msgspec.Struct):
    """The state of the daemon after the call."""

    state: str
    """`paused`"""
    paused_until_ns: int
    """the end of the pause, in nanoseconds since 1970"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`seconds`: the length of the pause. None means that the pause lasts until `resume`."""

    keeps_pause: ClassVar[bool] = True
    seconds: float | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one Response."""
    until_ns = FOREVER_NS
    if request.seconds is not None:
        until_ns = time.time_ns() + int(request.seconds * 1e9)
    engine.pause(until_ns)
    yield Result(Response("paused", until_ns))
