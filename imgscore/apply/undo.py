"""Moves files back to the inbox, the newest run of `imgscore apply` first.

Only files that are as the run left them are moved. If this process is killed, the next undo goes on
with the same run: the disk shows which files are back.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imgscore.apply import file_moves
from imgscore.apply.file_moves import Identity, MoveError, Place, problem_of
from imgscore.apply.folders import Folders
from imgscore.apply.mover import listed
from imgscore.apply.resume import state
from imgscore.apply.run_log import LoggedMove, Run, RunLogs, Settled
from imgscore.order.entries import SIDECAR_SUFFIXES, basename_key, suffix
from imgscore.watches import within

_UNLOGGED = -1
"""The number of a move that is not in the log."""
BATCH = 500
"""The largest number of images that are prepared by one request."""

Prepare = Callable[[list[LoggedMove]], list[str | None]]
"""A function that restores the labels of images before they move back. It returns, for each image,
the reason why it must stay, or None."""


class Returned(NamedTuple):
    """A file that was moved back, would be moved back, or stays.

    `path`, `target`: its path before and after. `logged`: its move in the log. `error`: the reason
    why it stays, and a remedy.
    """

    path: bytes
    target: bytes
    logged: LoggedMove
    error: str | None = None


class _Group(NamedTuple):
    """Files that moved together. `numbers`: the numbers of the moves that can be undone."""

    numbers: list[int]
    lost: list[int]


def undo(
    logs: RunLogs, folders: Folders, folder: bytes | None, prepare: Prepare, *, dry_run: bool
) -> Iterator[Returned]:
    """Undo the newest run that moved files from or into `folder`, or the newest of all runs.

    A run that has nothing left to undo is skipped. Yield a row for each file.
    """
    for run in logs.newest_first():
        nothing = True
        for row in _undo_run(run, folders, folder, prepare, dry_run=dry_run):
            nothing = False
            yield row
        if not dry_run and len(run.settled) == len(run.moves):
            _remove_folders(run, folders)
            run.remove()
        if not nothing:
            return


def _undo_run(
    run: Run, folders: Folders, folder: bytes | None, prepare: Prepare, *, dry_run: bool
) -> Iterator[Returned]:
    batch: list[_Group] = []
    for numbers in _groups(run, folder):
        folders.trim()
        try:
            states = {
                number: state(run, number, folders, complete=not dry_run) for number in numbers
            }
            if "elsewhere" in states.values():
                folders.open(run.moves[numbers[0]].folder)  # Its disk may not be mounted now.
        except OSError as error:
            text = problem_of(error, run.moves[numbers[0]].folder)
            yield from (_row(run.moves[number], text) for number in numbers)
            continue
        group = _Group(
            [number for number in numbers if states[number] == "target"],
            [number for number in numbers if states[number] == "elsewhere"],
        )
        settled = [number for number in numbers if states[number] == "source"]
        if settled and not dry_run:
            run.add(Settled(settled), durable=False)
        if group.numbers or group.lost:
            batch.append(group)
        if sum(len(group.numbers) for group in batch) >= BATCH:
            yield from _return(run, batch, folders, prepare, dry_run=dry_run)
            batch = []
    yield from _return(run, batch, folders, prepare, dry_run=dry_run)


def _groups(run: Run, folder: bytes | None) -> list[list[int]]:
    """Return the numbers of the moves that are not settled, by group, last group first."""
    groups: dict[int, list[int]] = {}
    wanted: set[int] = set()
    for number, logged in enumerate(run.moves):
        if number in run.settled:
            continue
        groups.setdefault(logged.move.group, []).append(number)
        if folder is None or within(logged.source, folder) or within(logged.target, folder):
            wanted.add(logged.move.group)
    return [numbers for group, numbers in reversed(groups.items()) if group in wanted]


def _return(
    run: Run, batch: list[_Group], folders: Folders, prepare: Prepare, *, dry_run: bool
) -> Iterator[Returned]:
    """Move the files of a batch back."""
    images = [
        number
        for group in batch
        for number in group.numbers
        if run.moves[number].move.taste is not None
    ]
    problems: dict[int, str | None] = {}
    if images and not dry_run:
        found = prepare([run.moves[number] for number in images])
        problems = dict(zip(images, found, strict=True))
    beside: dict[bytes, _Beside] = {}
    for group in batch:
        folders.trim()
        for number in group.lost:
            logged = run.moves[number]
            yield _row(logged, "it is no longer there: it was moved, renamed or deleted")
        problem = next(filter(None, map(problems.get, group.numbers)), None)
        if not group.numbers:
            pass
        elif problem is not None:
            yield from (_row(run.moves[number], problem) for number in group.numbers)
        elif dry_run:
            yield from (_row(run.moves[number]) for number in group.numbers)
            continue
        else:
            try:
                parent = os.path.dirname(run.moves[group.numbers[0]].target)
                if parent not in beside:
                    beside[parent] = _Beside(folders.open(parent))
                rows = _move_back(run, group.numbers, folders, beside[parent])
            except FileExistsError:
                error = "a file with its old name is in the inbox: rename one of the two files"
                yield from (_row(run.moves[number], error) for number in group.numbers)
                continue
            except MoveError as error:
                yield from (_row(run.moves[number], error.message) for number in group.numbers)
                continue
            except OSError as error:
                text = problem_of(error, run.moves[group.numbers[0]].inbox)
                yield from (_row(run.moves[number], text) for number in group.numbers)
                continue
            yield from rows
        if not dry_run:
            run.add(Settled([*group.numbers, *group.lost]), durable=False)
    folders.forget()


class _Way(NamedTuple):
    """The way of one file. `number`: the number of its move, or _UNLOGGED."""

    number: int
    expected: Identity
    here: Place
    there: Place
    row: Returned


def _move_back(run: Run, numbers: list[int], folders: Folders, beside: "_Beside") -> list[Returned]:
    """Move the files of a group back, with sidecars that have appeared beside them.

    Raises an error, and moves nothing, if one of the files cannot be moved.
    """
    logged: list[_Way] = []
    for number in numbers:
        move = run.moves[number]
        here = file_moves.place(folders, move.target)
        there = file_moves.place(folders, move.source, move.inbox)
        expected = Identity(move.move.device, move.move.inode)
        logged.append(_Way(number, expected, here, there, _row(move)))
    # Sidecars move first: after a kill, the image still shows that the group is not back.
    ways = [*_new_sidecars(run, logged, beside), *logged]
    for at, way in enumerate(ways):
        try:
            file_moves.move(run, way.number, way.expected, way.here, way.there)
        except BaseException:
            for done in reversed(ways[:at]):
                file_moves.move(run, done.number, done.expected, done.there, done.here)
            raise
    return [way.row for way in ways]


def _new_sidecars(run: Run, ways: list[_Way], beside: "_Beside") -> Iterator[_Way]:
    """Yield the ways of the sidecars of a group that are not in the log."""
    known = {way.here.name for way in ways}
    images = [
        (way.here.name, way.there.name)
        for way in ways
        if run.moves[way.number].move.taste is not None
    ]
    first = ways[0]
    for name, former in dict(beside.of_images(images)).items():
        here, there = first.here._replace(name=name), first.there._replace(name=former)
        expected = file_moves.identity(*here)
        if name not in known and expected is not None:
            row = first.row._replace(
                path=os.path.join(os.path.dirname(first.row.path), name),
                target=os.path.join(os.path.dirname(first.row.target), former),
            )
            yield _Way(_UNLOGGED, expected, here, there, row)


class _Beside:
    """The sidecars in a folder, and the numbers of its images, by the key of their names."""

    def __init__(self, folder: int) -> None:
        self.sidecars: dict[bytes, list[bytes]] = {}
        self.images: Counter[bytes] = Counter()
        for name in listed(folder):
            if suffix(name) in SIDECAR_SUFFIXES:
                self.sidecars.setdefault(basename_key(name)[1], []).append(name)
            else:
                self.images[basename_key(name)[1]] += 1

    def of_images(self, images: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the (present name, former name) of each sidecar of some images.

        `images`: the (present name, former name) of all images of one group. A sidecar that also
        describes an image outside of the group is left out.
        """
        for present, former in images:
            key, old_key = basename_key(present)[1], basename_key(former)[1]
            found = list(self.sidecars.get(present, ()))
            for name in self.sidecars.get(key, ()):
                if name.startswith(present + b".") or self.images[key] <= len(images):
                    found.append(name)
            for name in found:
                if name.startswith(key):
                    yield name, old_key + name[len(key) :]


def _remove_folders(run: Run, folders: Folders) -> None:
    """Remove the folders that the run has created, if they are empty."""
    folders.forget()
    for folder in sorted(map(os.fsencode, run.folders), reverse=True):
        try:
            parent, name = file_moves.place(folders, folder)
            os.rmdir(name, dir_fd=parent)
        except OSError:
            continue


def _row(logged: LoggedMove, error: str | None = None) -> Returned:
    return Returned(logged.target, logged.source, logged, error)
