"""pause: let the daemon do nothing, for a while or until `resume`. Kept over restarts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine

FOREVER_NS = 4_102_444_800 * 10**9
"""The end of a pause without an end: the year 2100, in nanoseconds since 1970."""


class Response(msgspec.Struct):
    """The state after the call."""

    state: str
    """`paused`"""
    paused_until_ns: int
    """when the pause ends, in nanoseconds since 1970"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`seconds`: how long; None = until `resume`."""

    keeps_pause: ClassVar[bool] = True
    seconds: float | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row."""
    until_ns = FOREVER_NS
    if request.seconds is not None:
        until_ns = time.time_ns() + int(request.seconds * 1e9)
    engine.pause(until_ns)
    yield Result(Response("paused", until_ns))
