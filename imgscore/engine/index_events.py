"""Builds the events of `watch-log` that report the answers of workers about files."""

import os
from collections.abc import Callable
from functools import partial

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


def indexed_event(
    task: IndexFile, answer: FileIndexed
) -> Callable[[], events.Scored | events.Failed]:
    """Return a function that builds the event of an answer. Most events are never read.

    The function does not keep the vector and the traits in memory.
    """
    facts = task.path, task.taste, task.head, answer.digest, answer.score, answer.failure
    return partial(_indexed, *facts)


def _indexed(
    path: bytes,
    taste: str,
    head: str | None,
    digest: bytes,
    score: tuple[float, float] | None,
    failure: FileFailure | None,
) -> events.Scored | events.Failed:
    if failure is not None:
        return _failed(path, failure.reason, failure.remedy)
    return events.Scored(
        path=os.fsdecode(path),
        sha256=digest.hex(),
        score=round(score[0], 6) if score else None,
        taste=taste,
        head=head,
    )


def index_event(task: IndexFile, answer: Answer) -> events.Failed | None:
    """Return the event that reports another answer, or None if there is nothing to report."""
    match answer:
        case Unreadable(reason, remedy) | Refused(reason, remedy):
            return _failed(task.path, reason, remedy)
        case Crashed(reason):
            return _failed(task.path, reason, "")
        case _:
            return None


def _failed(path: bytes, reason: str, remedy: str) -> events.Failed:
    return events.Failed(path=os.fsdecode(path), reason=reason, remedy=remedy)
