"""The verb `score`: score files. The score is the probability that the user would keep a file.

The files may be outside of the watched folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.heads.results import is_calibrated
from imgscore.messages import BaseRequest, PathTexts, Progress, Result
from imgscore.verbs.argument_checks import no_such_file
from imgscore.verbs.base import Steps, Waiting, display_path, in_turn
from imgscore.verbs.folder_images import images_of
from imgscore.verbs.tastes import give_one, of_file

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket
    from imgscore.workers.messages import Answer


class Response(msgspec.Struct):
    """A file and its score."""

    path: str
    """the path of the file"""
    sha256: str | None
    """the digest of the image; null if the file cannot be read"""
    score: float | None
    """the probability that you would keep the image, from 0 to 1; null if there is no score; see
    `calibrated`"""
    deviation: float | None
    """the standard deviation of the score; null if there is no score"""
    label: str | None
    """the label of the image: `keep`, `undecided` or `trash`; null if it has no label"""
    head: str | None
    """the version of the head that scored the image; null if there is no head"""
    embedder: str
    """the id of the embedder in use"""
    error: str | None
    """the reason why the file cannot be scored, and a remedy; null if there is no such reason"""
    missing: str | None = None
    """what is missing until there is a head, such as `2 more keep`; null if there is a head"""
    grade: float | None = None
    """the grade of the label, from 0 (trash) to 1 (keep); null if the image has no label"""
    taste: str = "default"
    """the taste whose head scored the image"""
    calibrated: bool | None = None
    """false if the score only orders images, and is no probability: the head learned from
    comparisons and from too few labels, or was made of words; null if there is no score"""


class Request(BaseRequest[Response]):
    """`taste`: the taste whose head scores the files.

    None means the taste of the watch that the file is in. If the file is outside of all watches,
    None means all tastes.

    `files`: files, and folders whose images are scored. `recursive`: whether the subfolders of
    these folders are included.
    """

    files: PathTexts
    taste: TasteName | None = None
    recursive: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each file and taste, in the order of `files`."""
    paths = yield from images_of(request.files, recursive=request.recursive)
    done, waiting = 0, Waiting(engine, engine.indexer)
    for ticket in in_turn(index(engine, paths, request.taste)):
        if ticket is None:
            yield from waiting.step()
            continue
        yield Result(_row(engine, ticket))
        done += 1
        yield Progress("scoring", done, max(done, len(paths)))


def index(engine: Engine, paths: Iterable[bytes], taste: str | None) -> Iterator[IndexTicket]:
    """Send each file to the workers, and yield a ticket that will receive the answer.

    Yield one ticket for each taste of the file.
    """
    for path in paths:
        for name in of_file(engine, path, taste):
            yield engine.indexer.ask(path, name)


def index_for_one_taste(
    engine: Engine, paths: Iterable[bytes], taste: str | None
) -> Iterator[IndexTicket]:
    """Yield one ticket for each file. If the taste of a file is not clear, it contains an error."""
    from imgscore.engine.tickets import IndexTicket
    from imgscore.workers.messages import Refused

    for path in paths:
        tastes = of_file(engine, path, taste)
        if len(tastes) > 1:
            reason = "it is in no watched folder, so its taste is not known"
            yield IndexTicket(path, "", Refused(reason, give_one(engine.ctx.watches)))
        else:
            yield engine.indexer.ask(path, tastes[0])


def problem(ticket: IndexTicket) -> str | None:
    """Return the reason why a file has no embedding, and a remedy.

    Return None if the file has an embedding, or if there is no answer yet.
    """
    from imgscore.workers.messages import Unstable

    if isinstance(ticket.answer, Unstable) and not os.path.lexists(ticket.path):
        return no_such_file(ticket.path)
    return problem_of(ticket.answer)


def problem_of(answer: Answer | None) -> str | None:
    """Return the reason why the answer of a worker contains no embedding, and a remedy.

    Return None if the answer contains an embedding, or if there is no answer yet.
    """
    from imgscore.workers.messages import (
        Crashed,
        FileFailure,
        FileIndexed,
        Interrupted,
        ModelUnavailable,
        Refused,
        Unreadable,
        Unstable,
    )

    match answer:
        case FileIndexed(failure=None) | None:
            return None
        case Unstable():
            return "there is no such file, or it is changing: check the name, or try again"
        case (
            FileIndexed(failure=FileFailure(reason, remedy))
            | Unreadable(reason, remedy)
            | Refused(reason, remedy)
            | ModelUnavailable(reason, remedy)
        ):
            return f"{reason}: {remedy}" if remedy else reason
        case Crashed(reason):
            return reason
        case Interrupted(reason, remedy):
            return f"{reason}: {remedy}"
        case _:
            return "the worker gave no answer: try again"


def digest_of(ticket: IndexTicket) -> bytes | None:
    """Return the digest of a file, or None if the file could not be read."""
    from imgscore.workers.messages import FileIndexed

    return ticket.answer.digest if isinstance(ticket.answer, FileIndexed) else None


def _row(engine: Engine, ticket: IndexTicket) -> Response:
    from imgscore.store import labels
    from imgscore.workers.messages import FileIndexed

    error, answer = problem(ticket), ticket.answer
    digest = digest_of(ticket)
    score = answer.score if isinstance(answer, FileIndexed) else None
    label = None
    if digest is not None:
        with engine.ctx.store.read() as txn:
            label = labels.current(txn, ticket.taste, digest)
    missing = None
    if error is None and score is None:
        state = engine.trainer.tastes.get(ticket.taste)
        soon = f"training waits: {engine.saving}" if engine.saving else "training is under way"
        missing = (state.missing if state is not None else "labels") or soon
    return Response(
        path=display_path(ticket.path),
        sha256=digest.hex() if digest else None,
        score=round(score[0], 6) if score else None,
        deviation=round(score[1], 6) if score else None,
        label=label.label if label else None,
        head=engine.ctx.head(ticket.taste) or None,
        embedder=engine.ctx.embedder.id,
        error=error,
        missing=missing,
        grade=label.grade if label else None,
        taste=ticket.taste,
        calibrated=has_calibrated_head(engine, ticket.taste) if score else None,
    )


def has_calibrated_head(engine: Engine, taste: str) -> bool:
    """Return whether the scores of a taste are calibrated: labels made its head."""
    from imgscore.store import heads

    with engine.ctx.store.read() as txn:
        head = heads.current(txn, taste)
    return head is None or is_calibrated(head.report)
