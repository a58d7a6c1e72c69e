"""resume: end a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """The state after the call."""

    state: str
    """`running`"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """No arguments."""

    keeps_pause: ClassVar[bool] = True


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield one row."""
    engine.pause(0)
    engine.indexer.hint_all()
    yield Result(Response("running"))
