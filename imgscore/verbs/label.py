"""label: say keep, trash or clear of files where they are, without moving them."""

import time
from typing import Literal

import msgspec

from imgscore.config import TasteName
from imgscore.engine import siblings
from imgscore.engine.engine import Engine
from imgscore.engine.tickets import IndexTicket
from imgscore.messages import Result
from imgscore.store import labels
from imgscore.store.schema import EventName, LabelEvent, Source
from imgscore.store.transaction import Txn
from imgscore.verbs.base import Steps, a_step, absolute_path, display_path, in_turn
from imgscore.verbs.score import ask, problem
from imgscore.workers.messages import FileIndexed


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`taste`: whose label it is, for a file outside of the watches."""

    label: Literal["keep", "trash", "clear"]
    files: list[str]
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row a file."""
    paths = [absolute_path(file) for file in request.files]
    tastes: set[str] = set()
    for ticket in in_turn(ask(engine, paths, request.taste)):
        if ticket is None:
            yield from a_step(engine)
            continue
        digest = record(engine, [(ticket, request.label)], "cli")[0]
        if digest is not None:
            tastes.add(ticket.taste)
        yield Result(
            {
                "path": display_path(ticket.path),
                "sha256": digest.hex() if digest else None,
                "label": None if request.label == "clear" or digest is None else request.label,
                "error": problem(ticket),
            }
        )
    for taste in sorted(tastes):
        engine.trainer.relearn(taste)


def record(
    engine: Engine, said: list[tuple[IndexTicket, EventName]], source: Source
) -> list[bytes | None]:
    """Log labels for answered tickets in one commit; the digest of each, None where unread.

    A file that cannot be embedded keeps its label too: a later decoder may read it. A label that
    is the current one already is not logged again.
    """
    now_ns = time.time_ns()
    answers = [(ticket, label, ticket.answer) for ticket, label in said]

    def log(txn: Txn) -> None:
        for ticket, label, answer in answers:
            if not isinstance(answer, FileIndexed):
                continue
            current = labels.current(txn, ticket.taste, answer.digest)
            if (current.label if current else "clear") != label:
                place = engine.ctx.watches.locate(ticket.path)
                event = LabelEvent(now_ns, ticket.taste, answer.digest, label, source, ticket.path)
                share = place is not None and place.watch.siblings
                siblings.append_label(txn, event, share=share)

    engine.ctx.store.commit(log)
    return [answer.digest if isinstance(answer, FileIndexed) else None for _, _, answer in answers]
