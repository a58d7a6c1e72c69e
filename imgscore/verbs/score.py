"""score: what the current head says of files, wherever they lie."""

from collections.abc import Iterable, Iterator

import msgspec

from imgscore.config import TasteName
from imgscore.engine.engine import Engine
from imgscore.engine.tickets import IndexTicket
from imgscore.messages import Progress, Result
from imgscore.store import labels
from imgscore.verbs.base import Row, Steps, a_step, absolute_path, display_path, in_turn
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    Interrupted,
    ModelUnavailable,
    Refused,
    Unreadable,
    Unstable,
)


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`taste`: which taste judges a file outside of the watches."""

    files: list[str]
    taste: TasteName | None = None


def run(engine: Engine, request: Request) -> Steps:
    """A row a file, in the order given."""
    paths = map(absolute_path, request.files)
    done = 0
    for ticket in in_turn(ask(engine, paths, request.taste)):
        if ticket is None:
            yield from a_step(engine)
            continue
        yield Result(_row(engine, ticket))
        done += 1
        yield Progress("scoring", done, len(request.files))


def ask(engine: Engine, paths: Iterable[bytes], taste: str | None) -> Iterator[IndexTicket]:
    """Have workers look at files, each when its ticket is taken."""
    for path in paths:
        yield engine.indexer.ask(path, taste_of(engine, path, taste))


def taste_of(engine: Engine, path: bytes, asked: str | None) -> str:
    """The taste that judges a file: the one asked for, its watch's, or the first watch's."""
    if asked is not None:
        return asked
    place = engine.ctx.watches.locate(path)
    if place is not None:
        return place.watch.taste
    return next(iter(engine.trainer.tastes), "default")


def problem(ticket: IndexTicket) -> str | None:
    """Why a file has no embedding, with the remedy; None where it has one."""
    return why_not(ticket.answer)


def why_not(answer: Answer | None) -> str | None:
    """As `problem`, of an answer that nobody had to wait for."""
    match answer:
        case FileIndexed(reason="") | None:
            return None
        case Unstable():
            return "there is no such file, or it is changing: check the name, or try again"
        case FileIndexed(reason=reason, remedy=remedy):
            return f"{reason}: {remedy}" if remedy else reason
        case (
            Unreadable(reason, remedy) | Refused(reason, remedy) | ModelUnavailable(reason, remedy)
        ):
            return f"{reason}: {remedy}" if remedy else reason
        case Crashed(reason):
            return reason
        case Interrupted():
            return "the worker ended; try again"
        case _:
            return "no answer"


def _row(engine: Engine, ticket: IndexTicket) -> Row:
    error, answer = problem(ticket), ticket.answer
    digest = answer.digest if isinstance(answer, FileIndexed) else None
    score = answer.score if isinstance(answer, FileIndexed) else None
    head = engine.ctx.head(ticket.taste)
    label = None
    if digest is not None:
        with engine.ctx.store.read() as txn:
            found = labels.current(txn, ticket.taste, digest)
        label = found.label if found else None
    if error is None and score is None:
        state = engine.trainer.tastes.get(ticket.taste)
        missing = state.missing if state is not None else "labels"
        soon = f"training waits: {engine.saving}" if engine.saving else "training is under way"
        error = f"no head yet: label {missing}" if missing else f"no head yet: {soon}"
    return {
        "path": display_path(ticket.path),
        "sha256": digest.hex() if digest else None,
        "score": round(score[0], 6) if score else None,
        "deviation": round(score[1], 6) if score else None,
        "label": label,
        "head": head or None,
        "embedder": engine.ctx.embedder.id,
        "error": error,
    }
