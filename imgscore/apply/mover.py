"""Moves labelled files into the folders of their labels.

A group of files (a RAW, its JPEG and their sidecars) moves completely or not at all. If this
process is killed in the middle of a group, `resume` completes the group later.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import NamedTuple

from imgscore.apply import file_moves, names
from imgscore.apply.file_moves import Identity, MoveError, Place, problem_of
from imgscore.apply.folders import Folders
from imgscore.apply.groups import Group, groups_of
from imgscore.apply.run_log import Ended, Folder, Move, Moves, Run, RunLogs
from imgscore.errors import StoreError
from imgscore.order.entries import SIDECAR_SUFFIXES, suffix
from imgscore.verbs.apply import DueMove
from imgscore.watches import within

BATCH = 200
"""The largest number of groups that are logged together. Each batch waits for the disk once."""


class Moved(NamedTuple):
    """A file that was moved, would be moved, or stays.

    `due`: the labelled file; for a sidecar or an image without a label, the labelled file to which
    it belongs. `error`: the reason why the file stays, and a remedy; None if it was moved.
    """

    path: bytes
    target: bytes
    due: DueMove
    is_labelled: bool
    error: str | None = None


class PartlyMovedError(MoveError):
    """A group of which only a part was moved. `resume` completes it later."""

    @classmethod
    @contextmanager
    def instead(cls, name: bytes) -> Iterator[None]:
        """Raise this error instead of an error of the system. `name`: the file of the group."""
        try:
            yield
        except (MoveError, OSError):
            raise cls(
                f"{os.fsdecode(name)}, which belongs to it, was moved and cannot be moved back: "
                "run imgscore apply again"
            ) from None


class _Planned(NamedTuple):
    """A group that can move. `names` and `targets`: the names of the files in both folders."""

    group: Group[DueMove]
    names: list[bytes]
    identities: list[Identity]
    targets: list[bytes]
    number: int


class Mover:
    """Moves files, and logs each move first. In a dry run, nothing is logged or moved.

    `logs`: the folder of the logs, or None in a dry run.
    """

    def __init__(self, folders: Folders, logs: RunLogs | None) -> None:
        self._folders = folders
        self._logs = logs
        self._run: Run | None = None
        self._groups = 0
        self._is_whole = True
        """False if a group was moved in part"""
        self._taken: set[bytes] = set()
        """the names in the present target folders that a planned group will use"""

    def close(self) -> None:
        """Write the end of the run into its log. If this fails, the next run does it."""
        if self._run is not None:
            with suppress(StoreError):
                if self._is_whole:
                    self._run.add(Ended())
            self._run.close()

    def apply(self, due: Iterable[DueMove]) -> Iterator[Moved]:
        """Move files. Yield a row for each file that was moved or that cannot be moved.

        `due`: the labelled files. A file that has left its place is left out.
        """
        waiting: list[_Planned] = []
        ordered = sorted(due, key=lambda row: os.path.split(row.path))
        for parent, rows in groupby(ordered, key=lambda row: os.path.dirname(row.path)):
            # Files from two folders never move into the same folder.
            self._taken.clear()
            self._folders.trim()
            for found in self._plans(os.fsencode(parent), list(rows)):
                if isinstance(found, Moved):
                    yield found
                    continue
                waiting.append(found)
                if len(waiting) == BATCH:
                    yield from self._move(waiting)
                    waiting = []
        yield from self._move(waiting)

    # ---- planning

    def _plans(self, parent: bytes, due: list[DueMove]) -> Iterator[_Planned | Moved]:
        """Yield the groups of one folder that can move, and a row for each file that cannot."""
        by_name = {os.path.basename(os.fsencode(row.path)): row for row in due}
        try:
            found = listed(self._folders.open(parent))
        except FileNotFoundError:
            return
        except OSError as error:
            yield from (_stays(row, problem_of(error, parent)) for row in due)
            return
        present = set(found)
        labelled = {name: row for name, row in by_name.items() if name in present}
        for group in groups_of(found, labelled, siblings=due[0].siblings):
            try:
                planned = self._planned(parent, group)
            except MoveError as problem:
                yield from (_stays(row, problem.message) for row in group.labelled)
            except FileNotFoundError:
                continue  # The file has just been moved.
            except OSError as error:
                folder = os.fsencode(group.labelled[0].folder)
                yield from (_stays(row, problem_of(error, folder)) for row in group.labelled)
            else:
                yield planned

    def _planned(self, parent: bytes, group: Group[DueMove], first: int = 1) -> _Planned:
        """Choose the names of a group. Raises MoveError or OSError if the group cannot move."""
        source = self._folders.open(parent)
        if group.obstacle is not None:
            raise MoveError(group.obstacle)
        labelled = {os.path.basename(os.fsencode(row.path)): row for row in group.labelled}
        kept: list[bytes] = []
        identities: list[Identity] = []
        for name in group.names:
            row = labelled.get(name)
            is_it = (
                file_moves.checked(source, name, row.sha256, row.seen)
                if row is not None
                else file_moves.identity(source, name)
            )
            if is_it is not None:  # A sidecar that is a link stays.
                kept.append(name)
                identities.append(is_it)
        target = self._target(group.labelled[0], identities[0].device)

        def is_free(name: bytes) -> bool:
            return name not in self._taken and (
                target is None or not file_moves.exists(target, name)
            )

        free = names.free_names(kept, group.stem, is_free, first)
        if free is None:
            raise MoveError("a file with this name is in the folder: rename one of the two files")
        self._taken.update(free[0])
        return _Planned(group, kept, identities, *free)

    def _target(self, row: DueMove, device: int) -> int | None:
        """Return the target folder, or None if it is missing and can be created."""
        base, path = os.fsencode(row.folder), os.path.dirname(os.fsencode(row.target))
        existing = path
        while True:
            try:
                folder = self._folders.open(existing)
                break
            except FileNotFoundError as error:
                if existing == base and not within(base, _inbox(row)):
                    raise MoveError(problem_of(error, base)) from None
                existing = os.path.dirname(existing)
        if os.stat(folder).st_dev != device:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return folder if existing == path else None

    # ---- moving

    def _move(self, planned: list[_Planned]) -> Iterator[Moved]:
        """Log a batch, then move it. In a dry run, only yield the rows."""
        if not planned:
            return
        if self._logs is None:
            for plan in planned:
                yield from _rows(plan)
        else:
            first = self._log(planned)
            for plan in planned:
                yield from self._move_group(plan, first)
                first += len(plan.names)
        self._folders.forget()

    def _log(self, planned: list[_Planned]) -> int:
        """Log the moves of a batch, and return the number of the first one."""
        run = self._run
        if run is None:
            assert self._logs is not None
            run = self._run = self._logs.create()
        first = len(run.moves)
        records: list[Moves] = []
        for plan in planned:
            self._groups += 1
            row = plan.group.labelled[0]
            inbox = os.fsdecode(_inbox(row))
            if not records or (records[-1].inbox, records[-1].folder) != (inbox, row.folder):
                records.append(Moves(inbox, row.folder, []))
            records[-1].moves.extend(_logged(plan, self._groups))
        for record in records:
            run.add(record, durable=record is records[-1])
        return first

    def _move_group(self, plan: _Planned, first: int) -> Iterator[Moved]:
        """Move the files of a group. If one of them cannot be moved, move the others back."""
        assert self._run is not None
        row = plan.group.labelled[0]
        parent = os.path.dirname(os.fsencode(row.path))
        try:
            _move_all(self._run, plan, first, self._folders.open(parent), self._make(row))
        except FileExistsError:
            try:
                again = self._planned(parent, plan.group, plan.number + 1)
            except (MoveError, OSError) as error:
                yield from (_stays(due, _text(error, row)) for due in plan.group.labelled)
            else:
                yield from self._move_group(again, self._log([again]))
        except PartlyMovedError as error:
            self._is_whole = False
            yield from (_stays(due, error.message) for due in plan.group.labelled)
        except (MoveError, OSError) as error:
            yield from (_stays(due, _text(error, row)) for due in plan.group.labelled)
        else:
            yield from _rows(plan)

    def _make(self, row: DueMove) -> int:
        """Open the target folder of a file. Create it if it is missing."""
        path, base = os.path.dirname(os.fsencode(row.target)), os.fsencode(row.folder)
        try:
            return self._folders.open(path)
        except FileNotFoundError:
            assert self._run is not None
            missing = path
            while missing != base and not os.path.lexists(missing):
                self._run.add(Folder(os.fsdecode(missing)), durable=False)
                missing = os.path.dirname(missing)
            inbox = _inbox(row)
            return self._folders.open(path, create_below=inbox if within(base, inbox) else base)


def _move_all(run: Run, plan: _Planned, first: int, source: int, target: int) -> None:
    """Move the files of a group. If one of them cannot be moved, move the others back.

    Raises PartlyMovedError if a file cannot be moved back.
    """
    pairs = list(zip(plan.names, plan.targets, plan.identities, strict=True))
    for at, (name, new, expected) in enumerate(pairs):
        try:
            file_moves.move(run, first + at, expected, Place(source, name), Place(target, new))
        except BaseException:
            for back in range(at - 1, -1, -1):
                old, moved, same = pairs[back]
                with PartlyMovedError.instead(old):
                    here, there = Place(target, moved), Place(source, old)
                    file_moves.move(run, first + back, same, here, there)
            raise


def _inbox(row: DueMove) -> bytes:
    below = row.target[len(row.folder) :]
    return os.fsencode(row.path[: -len(below)])


def _logged(plan: _Planned, number: int) -> Iterator[Move]:
    """Yield the moves of a group for the log."""
    first = plan.group.labelled[0]
    labelled = {os.path.basename(os.fsencode(row.path)): row for row in plan.group.labelled}
    inbox, base = _inbox(first), os.fsencode(first.folder)
    below = os.path.dirname(os.fsencode(first.path)[len(inbox) + 1 :])
    target = os.path.dirname(os.fsencode(first.target)[len(base) + 1 :])
    for name, new, at in zip(plan.names, plan.targets, plan.identities, strict=True):
        row = labelled.get(name)
        is_image = suffix(name) not in SIDECAR_SUFFIXES
        yield Move(
            source=os.fsdecode(os.path.join(below, name)),
            target=os.fsdecode(os.path.join(target, new)),
            device=at.device,
            inode=at.inode,
            group=number,
            taste=first.taste if is_image else None,
            sha256=row.sha256 if row is not None else None,
            label=row.label if row is not None else None,
            grade=row.grade if row is not None else None,
        )


def _rows(plan: _Planned) -> Iterator[Moved]:
    labelled = {os.path.basename(os.fsencode(row.path)): row for row in plan.group.labelled}
    first = plan.group.labelled[0]
    source, target = (os.path.dirname(os.fsencode(path)) for path in (first.path, first.target))
    for name, new in zip(plan.names, plan.targets, strict=True):
        due = labelled.get(name, first)
        yield Moved(os.path.join(source, name), os.path.join(target, new), due, name in labelled)


def _stays(row: DueMove, error: str) -> Moved:
    return Moved(os.fsencode(row.path), os.fsencode(row.target), row, True, error)


def _text(error: MoveError | OSError, row: DueMove) -> str:
    if isinstance(error, MoveError):
        return error.message
    return problem_of(error, os.fsencode(row.folder))


def listed(folder: int) -> list[bytes]:
    """Return the names of all files in an open folder."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(b".", flags, dir_fd=folder)
    try:
        return [os.fsencode(name) for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)
