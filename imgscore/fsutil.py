"""Opens files safely, replaces files in one step, and waits until they are on disk."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import BinaryIO

AnyPath = str | bytes | os.PathLike[str]

# O_NONBLOCK: opening a FIFO returns at once instead of waiting for a writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: AnyPath) -> FileIO:
    """Open a regular file for reading, unbuffered, unless the path is a symbolic link.

    Raises OSError: ELOOP for a link, EINVAL for a folder, a FIFO, a socket or a device.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return FileIO(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def replacing(
    path: AnyPath, *, mode: int | None = None, durable: bool = True
) -> Iterator[BinaryIO]:
    """Yield a new file that replaces `path` when the block ends.

    If the block raises, the new file is deleted and `path` is unchanged. `mode`: the permission
    bits of the new file; None: 0666 less the umask. `durable`: wait until the file and its name
    are on disk; files that can be created again, such as caches, do without.
    """
    target = os.fsencode(path)
    folder = os.path.dirname(target) or b"."
    # A short name of its own: that of `path` may already have the maximum length.
    unfinished = os.path.join(folder, b".imgscore-%s.part" % os.urandom(6).hex().encode())
    descriptor = os.open(unfinished, _WRITE_FLAGS, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Called only if the umask cleared bits: the filter of the service refuses fchmod.
            if mode is not None and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
                os.fchmod(descriptor, mode)
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
    if durable:
        sync(folder)


def write_atomic(
    path: AnyPath, data: bytes, *, mode: int | None = None, durable: bool = True
) -> None:
    """Replace the content of `path` in one step; the arguments are those of `replacing`."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(data)


def sync(path: AnyPath) -> None:
    """Wait until a file's content, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system cannot sync a folder (vboxsf)
            raise
    finally:
        os.close(descriptor)
