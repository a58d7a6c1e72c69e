"""wait: until nothing is pending. It looks at the disk first, so that nothing is missed."""

import msgspec

from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError
from imgscore.messages import Result
from imgscore.verbs.base import Deadline, Steps, until_idle


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`timeout`: seconds; None = as long as it takes."""

    timeout: float | None = None


def run(engine: Engine, request: Request) -> Steps:
    """One row when nothing is pending. Raises ImgscoreError when the time is over."""
    deadline = Deadline(request.timeout)
    engine.indexer.hint_all()
    for message in until_idle(engine, "waiting"):
        if deadline.passed:
            raise ImgscoreError(
                f"{engine.pending} things are still pending after {request.timeout:g} s",
                "wait longer, or see: imgscore status",
            )
        yield message
    yield Result({"pending": engine.pending, "error": None})
