"""The verb `wait`: wait until imgscore has no pending work.

The verb first scans all watched folders, because the daemon may have missed a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.errors import ImgscoreError
from imgscore.messages import BaseRequest, Result, Seconds
from imgscore.verbs.base import Deadline, Steps, until_idle

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """The state at the end of the wait."""

    pending: int
    """the number of items that must still be processed; always 0"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`timeout`: the longest time to wait, in seconds. None means no limit."""

    needs_watch: ClassVar[bool] = True
    timeout: Seconds | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Wait, and yield one Response. Raises ImgscoreError if work is pending after `timeout`."""
    deadline = Deadline(request.timeout)
    engine.indexer.hint_all()
    for message in until_idle(engine, "waiting"):
        if deadline.passed:
            raise ImgscoreError(
                f"{engine.pending} items are still pending after {request.timeout:g} s",
                "wait longer, or see: imgscore status",
            )
        yield message
    yield Result(Response(engine.pending))
