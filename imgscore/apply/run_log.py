"""The logs of `imgscore apply`: one file for each run, which lists the files that were moved.

A move is written to the log, and the log is on disk, before the file is renamed. The disk shows
later whether a move was made. Each line of a log is one record in JSON.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from imgscore import fsutil
from imgscore.errors import ImgscoreError, StoreError

KEPT_NS = 90 * 86_400 * 10**9
"""The time for which the log of a finished run is kept, in nanoseconds. It is 90 days, the same as
for records of images that have disappeared."""
_SUFFIX = ".jsonl"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that was moved, or was about to be moved.

    `source`, `target`: its paths, relative to the inbox and to the folder of the label. `group`:
    the number of the group in the run. `taste`: the taste of the label; None for a sidecar.
    `sha256`, `label`, `grade`: the digest of the image, and its label before the move; None if it
    had no label.
    """

    source: str
    target: str
    device: int
    inode: int
    group: int
    taste: str | None = None
    sha256: str | None = None
    label: str | None = None
    grade: float | None = None


class Moves(msgspec.Struct, tag="moves"):
    """Files that are renamed after this record is on disk. `folder`: the folder of their label."""

    inbox: str
    folder: str
    moves: list[Move]


class LoggedMove(NamedTuple):
    """A move with the folders of its record."""

    inbox: bytes
    folder: bytes
    move: Move

    @property
    def source(self) -> bytes:
        """The path of the file before the move."""
        return os.path.join(self.inbox, os.fsencode(self.move.source))

    @property
    def target(self) -> bytes:
        """The path of the file after the move."""
        return os.path.join(self.folder, os.fsencode(self.move.target))


class Folder(msgspec.Struct, tag="folder"):
    """A folder that is created after this record is on disk."""

    path: str


class Linked(msgspec.Struct, tag="linked"):
    """A move that is made by a hard link. `move`: its index among all moves of the run."""

    move: int


class Settled(msgspec.Struct, tag="settled"):
    """Moves that are undone, or cannot be undone. `moves`: their indices in the run."""

    moves: list[int]


class Ended(msgspec.Struct, tag="ended"):
    """The run has ended: no group is moved in part."""


Record = Moves | Folder | Linked | Settled | Ended


class Run:
    """The log of one run. `number`: the number of the run; a later run has a larger number."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.number = int(path.stem)
        self.moves: list[LoggedMove] = []
        self.folders: list[str] = []
        self.linked: set[int] = set()
        self.settled: set[int] = set()
        self.ended = False
        self._descriptor = descriptor

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def read(self) -> None:
        """Read the records. An incomplete line at the end is removed: nothing followed it.

        Raises StoreError if a record is damaged.
        """
        size = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._take(_decoded(line, self.path))
                size += len(line)
        os.ftruncate(self._descriptor, size)

    def add(self, record: Record, *, durable: bool = True) -> None:
        """Append a record. `durable`: wait until it is on disk.

        Raises StoreError if the record cannot be written. The log is then as it was before.
        """
        size = os.fstat(self._descriptor).st_size
        line = memoryview(_encoded(record))
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            if durable:
                os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise _unwritable(self.path, error) from None
        self._take(record)

    def remove(self) -> None:
        """Delete the log."""
        self.path.unlink(missing_ok=True)

    def _take(self, record: Record) -> None:
        match record:
            case Moves(inbox, folder, moves):
                of, to = os.fsencode(inbox), os.fsencode(folder)
                self.moves += (LoggedMove(of, to, move) for move in moves)
                self.ended = False
            case Folder(path):
                self.folders.append(path)
            case Linked(move):
                self.linked.add(move)
            case Settled(moves):
                self.settled.update(moves)
            case Ended():
                self.ended = True


class RunLogs:
    """The folder of the logs. Only one process at a time may use it: the constructor locks it.

    Raises ImgscoreError if another process has locked it, and StoreError if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open(folder / "lock", flags, 0o600)
        except OSError as error:
            raise _unwritable(folder, error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ImgscoreError(
                "another imgscore apply is moving files", "wait until it ends, then try again"
            ) from None

    def close(self) -> None:
        """Unlock the folder."""
        os.close(self._lock)

    def create(self) -> Run:
        """Create the log of a new run. Raises StoreError if it cannot be written."""
        number = max((int(path.stem) for path in self._paths()), default=0) + 1
        path = self._folder / f"{number:010}{_SUFFIX}"
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
            fsutil.sync(self._folder)
        except OSError as error:
            raise _unwritable(path, error) from None
        return Run(path, descriptor)

    def newest_first(self) -> Iterator[Run]:
        """Yield the log of each run, newest first. A log is closed when the next one is read."""
        for path in sorted(self._paths(), reverse=True):
            try:
                run = Run(path, os.open(path, _FLAGS))
            except OSError as error:
                raise StoreError(
                    f"{path}: cannot be read: {error.strerror}", "check the file's permissions"
                ) from None
            with contextlib.closing(run):
                run.read()
                yield run

    def prune(self) -> None:
        """Delete the logs of runs that ended more than 90 days ago."""
        oldest = time.time() - KEPT_NS / 1e9
        for path in self._paths():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _paths(self) -> list[Path]:
        return [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]


def _encoded(record: Record) -> bytes:
    # A byte of a path that is not UTF-8 is a lone surrogate, which only ASCII JSON can contain.
    return json.dumps(msgspec.to_builtins(record), separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes, path: Path) -> Record:
    try:
        return cast("Record", msgspec.convert(json.loads(line), Record))
    except (ValueError, msgspec.ValidationError):
        raise StoreError(
            f"{path}: the log of moved files is damaged, or a newer version wrote it",
            "move this log elsewhere; apply --undo then leaves out the files that it names",
        ) from None


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot be written: {error.strerror}; no more files were moved",
        "free disk space, or check the permissions of the folder; then run the command again",
    )
