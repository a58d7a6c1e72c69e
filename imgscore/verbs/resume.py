"""resume: end a pause."""

import msgspec

from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.verbs.base import Steps


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to say."""


def run(engine: Engine, request: Request) -> Steps:
    """One row."""
    engine.pause(0)
    engine.indexer.hint_all()
    yield Result({"state": "running", "error": None})
