"""This module sets the mtime of one regular file.

The daemon makes no other change to a user's file. The module writes no journal, because the engine
writes the journal before each touch. The module does not retry a failed touch. It raises a
separate class of error for each kind of failure.
"""

import errno
import os
import stat
from typing import NamedTuple

from imgscore.errors import ImgscoreError


class Seen(NamedTuple):
    """The state of the file that the caller expects at a path.

    `touch` raises ChangedError if the file at the path differs in one of these values. The ctime
    shows a change of the bytes, even if another program has set the mtime back.
    """

    device: int
    inode: int
    size: int
    ctime_ns: int
    mtime_ns: int


class Touched(NamedTuple):
    """The state of a file just after a touch. `links`: the number of the file's hard links."""

    seen: Seen
    links: int


class TouchError(ImgscoreError):
    """The error raised if the mtime could not be set. Nothing was changed."""

    def __init__(self, path: bytes, what: str, remedy: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {what}", remedy)
        self.path = path
        self.what = what


class ChangedError(TouchError):
    """The error raised if the file is not the expected one: its inode, size or a date differs.

    It is also raised if there is no regular file at the path. The caller must plan again.
    """


class VanishedError(TouchError):
    """The error raised if the path no longer exists."""


class DeniedError(TouchError):
    """The error for EPERM and EACCES: another user owns the file, or the file is immutable."""


class ReadOnlyError(TouchError):
    """The error for EROFS: the file system is read-only."""


def touch(path: bytes, expect: Seen, after_ns: int) -> Touched:
    """Set the mtime of `path` to `after_ns`. Return the new state of the file.

    The atime does not change. Symbolic links are not followed. The function opens the inode once.
    It checks this open inode and then sets its mtime. Another file with this name can therefore
    never get the date. A coarse file system (FAT: 2 s) stores a rounded date. The returned state is
    read from the open inode, so it contains no later change of the file.

    Raises ChangedError, VanishedError, DeniedError or ReadOnlyError. Raises TouchError for every
    other failure.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ChangedError(
                    path,
                    "this is not a regular file",
                    "imgscore does not set the date of this file",
                )
            if _seen(status) != expect:
                raise ChangedError(
                    path,
                    "the file has changed since the order was computed",
                    "compute the order again: imgscore order",
                )
            os.utime(_by_descriptor(descriptor), ns=(status.st_atime_ns, after_ns))
            status = os.fstat(descriptor)
            return Touched(_seen(status), status.st_nlink)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _typed(path, error) from error


def _seen(status: os.stat_result) -> Seen:
    return Seen(
        status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
    )


DESCRIPTORS = "/proc/self/fd"
# The flag O_PATH needs no read permission, sets no atime and causes no inotify event. macOS has no
# O_PATH. On macOS, O_NONBLOCK is used, so that opening a FIFO does not wait.
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)


def _by_descriptor(descriptor: int) -> int | str:
    """Return a value for an open file that os.utime accepts.

    os.utime rejects an O_PATH descriptor. For such a descriptor, return its name in /proc.
    """
    return f"{DESCRIPTORS}/{descriptor}" if hasattr(os, "O_PATH") else descriptor


def _typed(path: bytes, error: OSError) -> TouchError:
    what = error.strerror or str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if error.filename == path:
            # The file at `path` is missing: os.open failed. If os.utime fails, `error.filename` is
            # not `path`, but the name of the descriptor in /proc.
            return VanishedError(path, what, "nothing to do: it was deleted or moved")
        case errno.ELOOP:
            return ChangedError(
                path, "this is a symbolic link", "imgscore does not set the date of a link"
            )
        case errno.EPERM | errno.EACCES:
            return DeniedError(
                path,
                what,
                "only the owner can set a file's date: chown the file, or exclude the file",
            )
        case errno.EROFS:
            return ReadOnlyError(
                path, what, "mount the file system for writing, or exclude the file"
            )
        case _:
            return TouchError(path, what, "check the file system; see also: dmesg")
