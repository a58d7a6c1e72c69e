"""Labels whose file goes with them: the label and the moves are in the log before the first move.

Here they are only planned and logged: a daemon can write nowhere among the user's files. Whoever
asked moves them (cli/moving.py). A crash in between leaves a label that holds, and a file where it
was, which `undo` knows.
"""

import os
from collections.abc import Iterable

import msgspec

from imgscore.engine import siblings
from imgscore.engine.engine import Engine
from imgscore.order.move import Move, check
from imgscore.store import labels
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Txn
from imgscore.watches import Watch


def into(txn: Txn, watch: Watch, path: bytes, folder: bytes) -> list[Move]:
    """The moves that bring a file into `folder`, with the siblings that go where it goes.

    Raises MoveError where they cannot be done.
    """
    together = siblings.together(txn, path) if watch.siblings else []
    moves = [
        Move(one, os.path.join(folder, os.path.basename(one)))
        for one in (path, *together)
        if os.path.dirname(one) != folder
    ]
    check(moves)
    return moves


def back(event: LabelEvent, *, dry_run: bool) -> tuple[Move, ...]:
    """The moves that take an event's back, the last first. One that was not done needs none.

    `dry_run`: as the config has it; then files stay.
    """
    moves = () if dry_run else [Move(*one).back for one in reversed(event.moved)]
    return tuple(
        one for one in moves if os.path.lexists(one.source) or not os.path.lexists(one.target)
    )


def stayed(event: LabelEvent) -> LabelEvent:
    """What an event is once its moves could not be done: a label that no place has given."""
    path = event.moved[0][0] if event.moved else event.path
    return msgspec.structs.replace(event, source="cli", path=path, moved=())


def is_corrected(event: LabelEvent, by: LabelEvent) -> bool:
    """Whether `by` is what `stayed` made of an event: the two are one label."""
    return bool(event.moved) and stayed(event) == by


def restates(event: LabelEvent, other: LabelEvent) -> bool:
    """Whether an event says again what another said: what came in between was taken back."""
    return msgspec.structs.replace(event, time_ns=other.time_ns, moved=other.moved) == other


def log(
    engine: Engine, event: LabelEvent, beside: Iterable[LabelEvent] = (), *, share: bool
) -> int:
    """Log a label with its moves, and others with it; `share`: siblings get the label too.

    Returns its number.
    """

    def append(txn: Txn) -> int:
        for one in beside:
            labels.append(txn, one)
        return siblings.append_label(txn, event, share=share)

    number = engine.house.store.commit(append)
    engine.learner.relearn(event.taste)
    return number
