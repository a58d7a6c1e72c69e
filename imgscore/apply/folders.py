"""Opens folders without following a symbolic link in any part of their paths."""

import errno
import os
from types import TracebackType

from imgscore.system import private

MAX_OPEN = 256
"""The number of open folders from which `trim` closes them. A process may usually open 1,024 files,
and the work on one group opens two paths."""
_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folders:
    """Open folders, by path. A folder stays open until `forget` or `trim` is called.

    Call `forget` from time to time: a folder that another process has moved stays open under its
    old path. Call `trim` before the work on each group.
    """

    def __init__(self) -> None:
        self._open: dict[bytes, int] = {}

    def __enter__(self) -> "Folders":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.forget()

    def trim(self) -> None:
        """Close all folders if many are open."""
        if len(self._open) > MAX_OPEN:
            self.forget()

    def forget(self) -> None:
        """Close all folders."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def open(self, path: bytes, *, create_below: bytes | None = None) -> int:
        """Return a descriptor of a folder. It is open until `forget` is called.

        `path`: an absolute path. `create_below`: missing folders below this folder are created.
        Raises OSError if the folder is missing, or if a part of the path is a link or a file.
        """
        if path in self._open:
            return self._open[path]
        if path == b"/":
            descriptor = os.open(b"/", _FLAGS)
        else:
            above, name = os.path.split(path)
            if name in (b"", b".", b".."):
                raise OSError(errno.EINVAL, "not an absolute path", path)
            folder = self.open(above, create_below=create_below)
            if create_below is not None and path.startswith(create_below.rstrip(b"/") + b"/"):
                _make(folder, name)
            descriptor = _opened(folder, name, path)
        self._open[path] = descriptor
        return descriptor


def _make(folder: int, name: bytes) -> None:
    try:
        with private.users_umask():
            os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return


def _opened(folder: int, name: bytes, path: bytes) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ENOTDIR and _is_link(folder, name):
            raise OSError(errno.ELOOP, "a symbolic link is not followed", path) from None
        raise OSError(error.errno, error.strerror, path) from None


def _is_link(folder: int, name: bytes) -> bool:
    try:
        os.readlink(name, dir_fd=folder)
    except OSError:
        return False
    return True
