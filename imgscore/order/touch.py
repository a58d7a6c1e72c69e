"""Sets the mtime of one regular file: the only change that the daemon makes to a user's file.

Writes no journal (the engine does, before) and does not retry: each failure is a typed error.
"""

import errno
import os
import stat
from typing import NamedTuple

from imgscore.errors import ImgscoreError


class Seen(NamedTuple):
    """The file that the caller expects at a path; `touch` refuses any other."""

    device: int
    inode: int
    mtime_ns: int


class TouchError(ImgscoreError):
    """The mtime could not be set; nothing was changed."""

    def __init__(self, path: bytes, what: str, remedy: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {what}", remedy)
        self.path = path
        self.what = what


class ChangedError(TouchError):
    """The path has another inode, another mtime, or no regular file: plan again."""


class VanishedError(TouchError):
    """The path no longer exists."""


class DeniedError(TouchError):
    """EPERM, EACCES: another user owns the file, or it is immutable."""


class ReadOnlyError(TouchError):
    """EROFS: the file system is read-only."""


def touch(path: bytes, expect: Seen, after_ns: int) -> int:
    """Set the mtime of `path` to `after_ns`; return the mtime (ns) that the file system stored.

    The atime stays, and symlinks are not followed. Checks and sets the same open inode, so that no
    other file can take the name in between. A coarse file system (FAT: 2 s) stores a rounded date.
    Raises ChangedError, VanishedError, DeniedError, ReadOnlyError; TouchError for other failures.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ChangedError(path, "is no regular file", "it is not touched")
            if Seen(status.st_dev, status.st_ino, status.st_mtime_ns) != expect:
                raise ChangedError(path, "changed since it was planned", "plan again")
            os.utime(_by_descriptor(descriptor), ns=(status.st_atime_ns, after_ns))
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _typed(path, error) from error


DESCRIPTORS = "/proc/self/fd"
# O_PATH needs no permission to read, sets no atime and causes no inotify event. Where it does not
# exist (macOS), O_NONBLOCK opens a FIFO without waiting.
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)


def _by_descriptor(descriptor: int) -> int | str:
    """Return what utime accepts: for an O_PATH descriptor its name in /proc, as it fails itself."""
    return f"{DESCRIPTORS}/{descriptor}" if hasattr(os, "O_PATH") else descriptor


def _typed(path: bytes, error: OSError) -> TouchError:
    what = error.strerror or str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if error.filename == path:  # not the name in /proc
            return VanishedError(path, what, "nothing to do: it was deleted or moved")
        case errno.ELOOP:
            return ChangedError(path, "is a symbolic link", "it is not touched")
        case errno.EPERM | errno.EACCES:
            return DeniedError(
                path, what, "only the owner can set a file's date: chown it, or exclude it"
            )
        case errno.EROFS:
            return ReadOnlyError(path, what, "mount the file system for writing, or exclude it")
        case _:
            return TouchError(path, what, "check the file system; see also: dmesg")
