"""The verb `pause`: pause the daemon for a given time, or until the user resumes it.

If the daemon restarts during the pause, the pause continues.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, Result, Seconds
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

FOREVER_NS = 4_102_444_800 * 10**9
"""The end of a pause that has no time limit, in nanoseconds since 1970. It is in the year 2100."""


class Response(msgspec.Struct):
    """The state of the daemon after the verb has run."""

    state: str
    """always `paused`"""
    paused_until_ns: int
    """the end of the pause, in nanoseconds since 1970"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`seconds`: the length of the pause. None means no time limit."""

    keeps_pause: ClassVar[bool] = True
    seconds: Seconds | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Pause the daemon, and yield one Response."""
    until_ns = FOREVER_NS
    if request.seconds is not None:
        until_ns = time.time_ns() + int(request.seconds * 1e9)
    engine.pause(until_ns)
    yield Result(Response("paused", until_ns))
