"""The one exception to "no file is moved": a rename into a keep or trash folder, or back.

Only `review --move` and its undo ask for it. On one file system, and never over another file.
"""

import ctypes
import errno
import os
from typing import NamedTuple

from imgscore.errors import ImgscoreError

_HERE = -100  # AT_FDCWD
_NO_REPLACE = 1  # RENAME_NOREPLACE
# What says that the kernel or the file system knows no such rename.
_UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Move(NamedTuple):
    """From which path to which."""

    source: bytes
    target: bytes

    @property
    def back(self) -> "Move":
        """The move that takes this one back."""
        return Move(self.target, self.source)


class MoveError(ImgscoreError):
    """A file was not moved: it is where it was."""


def check(moves: list[Move]) -> None:
    """Raises MoveError where moves could not be done now. Changes nothing."""
    for one in moves:
        try:
            if os.path.lexists(one.target):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
            if os.lstat(one.source).st_dev != os.stat(os.path.dirname(one.target)).st_dev:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        except OSError as error:
            raise _typed(one, error) from None


def move(one: Move) -> None:
    """Rename a file. Raises MoveError; nothing has changed then."""
    try:
        _rename(one)
    except OSError as error:
        raise _typed(one, error) from None


def move_all(moves: list[Move]) -> None:
    """Rename files that belong together: all of them, or none. Raises MoveError."""
    done: list[Move] = []
    try:
        for one in moves:
            move(one)
            done.append(one)
    except MoveError:
        for one in reversed(done):
            move(one.back)
        raise


def _rename(one: Move) -> None:
    """renameat2 refuses an existing target at once; where it is unknown, link and unlink do."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        if rename(_HERE, one.source, _HERE, one.target, _NO_REPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNKNOWN:
            raise OSError(number, os.strerror(number))
    try:
        os.link(one.source, one.target, follow_symlinks=False)
    except PermissionError:  # a file system without links
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)) from None
    os.unlink(one.source)


def _typed(one: Move, error: OSError) -> MoveError:
    name = os.fsdecode(one.source)
    match error.errno:
        case errno.EEXIST:
            return MoveError(
                f"{name} stays: {os.fsdecode(one.target)} is there already", "rename one of them"
            )
        case errno.EXDEV:
            return MoveError(
                f"{name} stays: {os.fsdecode(one.target)} is on another file system",
                "move it yourself, or choose a folder on the same one",
            )
        case errno.EOPNOTSUPP:
            return MoveError(
                f"{name} stays: its file system has no rename that cannot overwrite",
                "move it yourself",
            )
        case errno.ENOENT | errno.ENOTDIR:
            return MoveError(f"{name} is not there any more, or its folder is not", "look there")
        case _:
            return MoveError(
                f"{name} stays: {error.strerror}", "check the permissions of both folders"
            )
