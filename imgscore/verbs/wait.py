"""wait: return when nothing is pending. It scans the disk first, so that nothing is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.errors import ImgscoreError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Deadline, Steps, until_idle

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """The state at the end."""

    pending: int
    """how many items are still to be done: 0"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`timeout`: seconds; None = no limit."""

    needs_watch: ClassVar[bool] = True
    timeout: float | None = None


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row when nothing is pending. Raises ImgscoreError when the time is over."""
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
