"""The verb `label`: give files a label, or clear their label. No file is moved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from imgscore.config import TasteName
from imgscore.grades import LabelText, name_of, parse_label
from imgscore.messages import BaseRequest, PathTexts, Progress, Result
from imgscore.verbs.base import Steps, Waiting, display_path, in_turn
from imgscore.verbs.folder_images import images_of
from imgscore.verbs.score import digest_of, index_for_one_taste, problem

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import IndexTicket
    from imgscore.store.schema import Source
    from imgscore.store.transaction import Txn


class Response(msgspec.Struct):
    """A file and its label."""

    path: str
    """the path of the file"""
    sha256: str | None
    """the digest of the image; null if the file cannot be read"""
    label: str | None
    """the new label: `keep`, `undecided` or `trash`; null if it was cleared, or if there is an
    error"""
    error: str | None
    """the reason why the file was not labelled, and a remedy; null if there is no error"""
    grade: float | None = None
    """the grade of the new label, from 0 (trash) to 1 (keep); null if `label` is null"""
    taste: str | None = None
    """the taste that learns from the label; null if it is not known"""


class Request(BaseRequest[Response]):
    """`label`: the label: keep, trash or reject, or a rating of −1 or 1 to 5 stars. "clear" and "0"
    clear the label.

    `taste`: the taste that gets the labels.

    None means the taste of the watch that the file is in. If the file is outside of all watches,
    and if there are several tastes, it gets no label, but an error.

    `files`: files, and folders whose images are labelled. `recursive`: whether the subfolders of
    these folders are included.
    """

    label: LabelText
    files: PathTexts
    taste: TasteName | None = None
    recursive: bool = False


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Label the files, and yield a Response for each file."""
    grade = parse_label(request.label)
    paths = yield from images_of(request.files, recursive=request.recursive)
    tastes: set[str] = set()
    done, waiting = 0, Waiting(engine, engine.indexer)
    for ticket in in_turn(index_for_one_taste(engine, paths, request.taste)):
        if ticket is None:
            yield from waiting.step()
            continue
        record(engine, [(ticket, grade)], "cli")
        digest, error = digest_of(ticket), problem(ticket)
        given = None if error else grade
        if digest is not None:
            tastes.add(ticket.taste)
        yield Result(
            Response(
                path=display_path(ticket.path),
                sha256=digest.hex() if digest else None,
                label=None if given is None else name_of(given),
                error=error,
                grade=given,
                taste=ticket.taste or None,
            )
        )
        done += 1
        yield Progress("labelling", done, len(paths))
    for taste in sorted(tastes):
        engine.trainer.relearn(taste)


def record(
    engine: Engine, labelled: list[tuple[IndexTicket, float | None]], source: Source
) -> None:
    """Log the labels of indexed files in one commit.

    `labelled`: files with their grades. The grade None clears the label.

    A file that could not be read or embedded gets no label, but an older label can be cleared.
    Nothing is logged for a file that already has the label.
    """
    from imgscore.engine import siblings
    from imgscore.store import labels
    from imgscore.store.schema import LabelEvent, event_value

    now_ns = time.time_ns()
    digests = [(ticket, grade, digest_of(ticket)) for ticket, grade in labelled]

    def log(txn: Txn) -> None:
        for ticket, grade, digest in digests:
            if digest is None or (grade is not None and problem(ticket) is not None):
                continue
            current = labels.current(txn, ticket.taste, digest)
            if (current.grade if current else None) != grade:
                place = engine.ctx.watches.locate(ticket.path)
                value = event_value(grade)
                event = LabelEvent(now_ns, ticket.taste, digest, value, source, ticket.path)
                share = place is not None and place.watch.siblings
                siblings.append_label(txn, event, share=share)

    engine.ctx.store.commit(log)
