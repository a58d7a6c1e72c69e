"""Moves files as a verb has planned and logged it: here, and not in the daemon, which cannot."""

import os
from collections.abc import Iterable, Iterator

from imgscore.cli.session import call
from imgscore.order.move import Move, MoveError, move_all
from imgscore.verbs.base import Message, Result, Row, rows_of


def carry_out(row: Row) -> Row:
    """Do the moves of a row; where they cannot be done, its error says why, and all files stay."""
    try:
        move_all([Move(os.fsencode(one), os.fsencode(other)) for one, other in row["moved"]])
    except MoveError as error:
        return {**row, "moved": [], "error": f"{error.message}: {error.remedy}"}
    return row


def carried_out(messages: Iterable[Message], *, dry_run: bool) -> Iterator[Message]:
    """A verb's messages; the moves that its rows tell of are done, but in a dry run."""
    for message in messages:
        if isinstance(message, Result) and message.row.get("moved") and not dry_run:
            yield Result(carry_out(message.row))
        else:
            yield message


def label(arguments: Row) -> Row:
    """Carry out the verb `review`, moves included; the log says so where a file had to stay."""
    (row,) = rows_of(call("review", arguments))
    done = carry_out(row)
    if row["moved"] and not done["moved"]:
        stayed = {name: arguments[name] for name in ("sha256", "path", "taste")}
        (row,) = rows_of(call("review", {**stayed, "stayed": True}))
        return {**row, "error": done["error"]}
    return done
