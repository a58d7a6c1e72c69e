"""The one place that changes anything of the user's: the mtime of one regular file.

No journal here (the engine writes that first), no retry: every failure is a typed error.
"""

import errno
import os
import stat
from typing import NamedTuple

from imgscore.errors import ImgscoreError


class Seen(NamedTuple):
    """What the caller believes is at a path; a touch is refused where that is no longer so."""

    device: int
    inode: int
    mtime_ns: int


class TouchError(ImgscoreError):
    """One file's mtime could not be set; nothing was changed."""

    def __init__(self, path: bytes, what: str, remedy: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {what}", remedy)
        self.path = path
        self.what = what


class ChangedError(TouchError):
    """Another inode, another mtime, or no regular file: plan again from what is there now."""


class VanishedError(TouchError):
    """Nothing is there under this name any more."""


class DeniedError(TouchError):
    """EPERM, EACCES: the file belongs to someone else, or is immutable."""


class ReadOnlyError(TouchError):
    """EROFS: the file system takes no writes."""


def touch(path: bytes, expect: Seen, after_ns: int) -> int:
    """Set the mtime of `path` to `after_ns` and return the mtime (ns) that was really stored.

    The atime stays. Symlinks are never followed. What is checked and what is touched is one open
    inode, so that nobody can put another file under the name in between. A coarse file system (FAT:
    2 s) returns less than it was given; the journal wants the returned value.
    Raises ChangedError, VanishedError, DeniedError, ReadOnlyError; TouchError for any other reason.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ChangedError(path, "is no regular file", "it is left alone")
            if Seen(status.st_dev, status.st_ino, status.st_mtime_ns) != expect:
                raise ChangedError(path, "changed since it was looked at", "plan again")
            os.utime(_by_descriptor(descriptor), ns=(status.st_atime_ns, after_ns))
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _typed(path, error) from error


# O_PATH needs no permission to read, leaves no atime and wakes no watcher; where it is unknown
# (macOS), O_NONBLOCK keeps a FIFO from blocking us.
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)


def _by_descriptor(descriptor: int) -> int | str:
    """utime refuses an O_PATH descriptor itself (EBADF) but takes its name in /proc."""
    return f"/proc/self/fd/{descriptor}" if hasattr(os, "O_PATH") else descriptor


def _typed(path: bytes, error: OSError) -> TouchError:
    what = error.strerror or str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if error.filename == path:  # and not for want of /proc
            return VanishedError(path, what, "nothing to do: it is gone or has moved")
        case errno.ELOOP:
            return ChangedError(path, "is a symbolic link", "it is left alone")
        case errno.EPERM | errno.EACCES:
            return DeniedError(
                path, what, "only its owner may set a file's date: chown it, or leave it out"
            )
        case errno.EROFS:
            return ReadOnlyError(path, what, "mount the file system for writing, or leave it out")
        case _:
            return TouchError(path, what, "look at the file system: `dmesg` may say more")
