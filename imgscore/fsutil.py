"""This module opens files safely and replaces files in one step.

It also contains a function that waits until a file is on disk.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import BinaryIO

AnyPath = str | bytes | os.PathLike[str]

# With O_NONBLOCK, opening a FIFO returns at once. Without it, open waits for a writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: AnyPath) -> FileIO:
    """Open a regular file for reading, without a buffer. Symbolic links are not followed.

    Raises OSError with ELOOP if `path` is a symbolic link. Raises OSError with EINVAL if `path` is
    a folder, a FIFO, a socket or a device.
    """
    return _regular(os.open(path, _READ_FLAGS), path)


def open_without_links(path: bytes) -> FileIO:
    """Open a regular file for reading. Symbolic links are followed in no part of the path.

    Raises OSError if the file or one of the folders above it is a symbolic link. Raises OSError
    with EINVAL if `path` is not absolute, or contains `.`, `..` or an empty name.
    """
    names = path.split(b"/")[1:]
    if not path.startswith(b"/") or not names or {b"", b".", b".."} & {*names}:
        raise OSError(errno.EINVAL, "not an absolute path", path)
    folder = os.open(b"/", _FOLDER_FLAGS)
    try:
        for name in names[:-1]:
            below = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = below
        return _regular(os.open(names[-1], _READ_FLAGS, dir_fd=folder), path)
    finally:
        os.close(folder)


def _regular(descriptor: int, path: AnyPath) -> FileIO:
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

    If the block raises an error, the new file is deleted and `path` does not change.

    `mode`: the permission bits of the new file. None means 0666 without the bits of the umask.
    `durable`: whether to wait until the file and its name are on disk. Callers pass False for files
    that can be created again, such as caches.
    """
    target = os.fsencode(path)
    folder = os.path.dirname(target) or b"."
    # The new file gets a short random name. The name of `path` with a suffix could be too long for
    # the file system.
    unfinished = os.path.join(folder, b".imgscore-%s.part" % os.urandom(6).hex().encode())
    descriptor = os.open(unfinished, _WRITE_FLAGS, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Call fchmod only if the umask cleared bits of `mode`: the system call filter of the
            # daemon's systemd service blocks fchmod.
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
    """Replace the content of `path` by `data` in one step.

    For `mode` and `durable`, see `replacing`.
    """
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(data)


def sync(path: AnyPath) -> None:
    """Wait until the content of the file at `path` is on disk.

    If `path` is a folder, wait until the file names in the folder are on disk.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            # Ignore only EINVAL. It means that this file system cannot sync a folder (vboxsf).
            raise
    finally:
        os.close(descriptor)
