"""Labels whose file goes with them: the label and the moves are in the log before the first move.

A crash between the two leaves a label that holds and a file where it was, which `undo` knows.
"""

import os

import msgspec

from imgscore.engine import siblings
from imgscore.engine.engine import Engine
from imgscore.order.move import Move, MoveError, check, move_all
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


def back(event: LabelEvent) -> list[Move]:
    """The moves that take an event's back, the last first. One that was not done needs none."""
    moves = [Move(*one).back for one in reversed(event.moved)]
    return [one for one in moves if os.path.lexists(one.source) or not os.path.lexists(one.target)]


def log_and_move(engine: Engine, event: LabelEvent, *, share: bool) -> MoveError | None:
    """Log a label, then do its moves: all or none. What kept them from being done, if anything.

    The label holds in any case; where its file stayed, the log says so too.
    """
    store, trouble = engine.house.store, None
    store.commit(lambda txn: siblings.append_label(txn, event, share=share))
    try:
        move(engine, event)
    except MoveError as error:
        trouble = error
        if event.source == "place":
            here = event.moved[0][0]
            stayed = msgspec.structs.replace(event, source="cli", path=here, moved=())
            store.commit(lambda txn: labels.append(txn, stayed))
    engine.learner.relearn(event.taste)
    return trouble


def move(engine: Engine, event: LabelEvent) -> None:
    """Do the moves of an event that is in the log. Raises MoveError; then none is done."""
    moves = [Move(*one) for one in event.moved]
    move_all(moves)
    for one in moves:
        engine.looker.hint(one.source)
        engine.looker.hint(one.target)
