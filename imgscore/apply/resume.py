"""Completes the groups of which a killed process moved only a part."""

import errno
import os

from imgscore.apply import file_moves
from imgscore.apply.file_moves import Identity, MoveError, Place
from imgscore.apply.folders import Folders
from imgscore.apply.run_log import Ended, LoggedMove, Run

_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""These errors mean that a path contains none of the moved files."""


def resume(run: Run, folders: Folders) -> None:
    """Complete the groups of which a killed process moved only a part.

    If a group cannot be completed, its files move back to the inbox.
    """
    if run.ended:
        return
    by_group: dict[int, list[int]] = {}
    for number, logged in enumerate(run.moves):
        by_group.setdefault(logged.move.group, []).append(number)
    for numbers in by_group.values():
        folders.trim()
        states = {number: state(run, number, folders) for number in numbers}
        done = [number for number, where in states.items() if where == "target"]
        left = [number for number, where in states.items() if where == "source"]
        if not done or not left:
            continue
        try:
            _complete(run, left, folders)
        except (MoveError, OSError):
            for number in done:
                logged = run.moves[number]
                source = file_moves.place(folders, logged.source, logged.inbox)
                target = file_moves.place(folders, logged.target)
                file_moves.move(run, number, _expected(logged), target, source)
    run.add(Ended())


def _complete(run: Run, numbers: list[int], folders: Folders) -> None:
    done: list[tuple[int, Place, Place]] = []
    for number in numbers:
        logged = run.moves[number]
        source = file_moves.place(folders, logged.source)
        target = file_moves.place(folders, logged.target, logged.folder)
        try:
            file_moves.move(run, number, _expected(logged), source, target)
        except BaseException:
            for back, old, new in done:
                file_moves.move(run, back, _expected(run.moves[back]), new, old)
            raise
        done.append((number, source, target))


def state(run: Run, number: int, folders: Folders, *, complete: bool = True) -> str:
    """Return where the file of a move is: "source", "target" or "elsewhere".

    A file has both names if a move by a hard link was interrupted. The result is then "target".
    `complete`: whether such a file loses its old name. Raises OSError if this cannot be found out,
    for example because of permissions.
    """
    logged = run.moves[number]
    at = {}
    for where, path in (("source", logged.source), ("target", logged.target)):
        try:
            at[where] = file_moves.place(folders, path)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
    expected = _expected(logged)
    found = [where for where, place in at.items() if file_moves.identity(*place) == expected]
    if len(found) == 2 and number in run.linked:
        if complete:
            os.unlink(at["source"].name, dir_fd=at["source"].folder)
        return "target"
    return found[0] if found else "elsewhere"


def _expected(logged: LoggedMove) -> Identity:
    return Identity(logged.move.device, logged.move.inode)
