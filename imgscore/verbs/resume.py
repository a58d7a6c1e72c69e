"""The verb `resume`: end a pause of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """The state of the daemon after the verb has run."""

    state: str
    """always `running`"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """This request has no arguments."""

    keeps_pause: ClassVar[bool] = True


def run(engine: Engine, request: Request) -> Steps[Response]:
    """End the pause, and yield one Response."""
    engine.pause(0)
    engine.indexer.hint_all()
    yield Result(Response("running"))
