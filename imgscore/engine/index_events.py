"""Builds the events of `watch-log` that report the answers of workers about files."""

import os

from imgscore import events
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileFailure,
    FileIndexed,
    IndexFile,
    Refused,
    Unreadable,
)


def index_event(task: IndexFile, answer: Answer) -> events.Scored | events.Failed | None:
    """Return the event that reports an answer, or None if there is nothing to report."""
    path = os.fsdecode(task.path)
    match answer:
        case FileIndexed(failure=None, digest=digest, score=score):
            return events.Scored(
                path=path,
                sha256=digest.hex(),
                score=round(score[0], 6) if score else None,
                taste=task.taste,
                head=task.head,
            )
        case (
            FileIndexed(failure=FileFailure(reason, remedy))
            | Unreadable(reason, remedy)
            | Refused(reason, remedy)
        ):
            return events.Failed(path=path, reason=reason, remedy=remedy)
        case Crashed(reason):
            return events.Failed(path=path, reason=reason, remedy="")
        case _:
            return None
