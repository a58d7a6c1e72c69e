"""Reads the ratings that other programs have stored for images in any folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from imgscore.messages import Message, Progress
from imgscore.verbs.base import Waiting, display_path, in_turn

if TYPE_CHECKING:
    from typing import Any

    from imgscore.engine.engine import Engine
    from imgscore.engine.tickets import RatingTicket


class RatedImage(NamedTuple):
    """An image and the grade of its rating; None if it has no rating.

    `problem`: the reason why the rating cannot be read, and a remedy; "" if there is none.
    `has_value`: whether another program has stored a rating, which may be 0 stars.
    """

    path: bytes
    grade: float | None
    problem: str = ""
    has_value: bool = False


def read_ratings(
    engine: Engine, paths: Sequence[bytes]
) -> Iterator[RatedImage | Message[Any] | None]:
    """Yield a RatedImage for each path, in this order. Yield progress in between.

    None means that the engine has to take a step. Raises ImgscoreError if the engine cannot read.
    """
    waiting = Waiting(engine, engine.rating_reader)
    done = 0
    for ticket in in_turn(engine.rating_reader.ask(path) for path in paths):
        if ticket is None:
            yield from waiting.step()
            continue
        yield _rated(engine, ticket)
        done += 1
        yield Progress("reading ratings", done, len(paths))


def _rated(engine: Engine, ticket: RatingTicket) -> RatedImage:
    from imgscore.engine import rating_labels
    from imgscore.reconcile import rating_rules
    from imgscore.workers.messages import Crashed, Refused, Unreadable
    from imgscore.workers.rating_messages import RatingsRead

    path = ticket.path
    match ticket.answer:
        case RatingsRead(_, sources):
            with engine.ctx.store.read() as txn:
                values = rating_labels.values_of(txn, path, sources)
            value = values.get(rating_rules.winner(None, values), -1.0)
            bad = next((source for source in sources if source.problem), None)
            if bad is not None and not values:
                name = display_path(os.path.basename(bad.path))
                problem = bad.problem if bad.path == path else f"{name}: {bad.problem}"
                return RatedImage(path, None, f"{problem}: write the metadata again")
            return RatedImage(path, None if value < 0 else value, has_value=bool(values))
        case Unreadable(reason, remedy) | Refused(reason, remedy):
            return RatedImage(path, None, f"{reason}: {remedy}")
        case Crashed(reason):
            return RatedImage(path, None, f"{reason}: write the metadata again")
        case _:
            return RatedImage(path, None, "the file is gone: try again")
