"""Keeps other users of the machine away from imgscore's own files and from its socket.

The files are derived from pictures, so only their owner may read them.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgscore.errors import ConfigError

UMASK = 0o077
"""New files get at most mode 0600, and new folders 0700."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_users_umask: int | None = None


def protect(folders: Iterable[Path]) -> None:
    """Make all files private that this process and its child processes create from now on.

    `folders`: imgscore's own folders, for `withdraw_permissions`.
    """
    global _users_umask  # noqa: PLW0603
    _users_umask = os.umask(UMASK)
    withdraw_permissions(folders)


def withdraw_permissions(folders: Iterable[Path]) -> None:
    """Withdraw the permissions that other users have for imgscore's own folders.

    An older version of imgscore, or a program that copied the folder, may have given them. A folder
    that is missing, or that belongs to another user, is left as it is. The service may not change
    modes, but its umask is 0077.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            status = os.lstat(folder)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & UMASK:
                os.chmod(folder, stat.S_IMODE(status.st_mode) & ~UMASK)


def umask_of_user() -> int:
    """Return the umask with which the user started this process; -1 if `protect` was not called."""
    return -1 if _users_umask is None else _users_umask


@contextlib.contextmanager
def users_umask() -> Iterator[None]:
    """Use the umask with which the user started this process, until the end of the block.

    It is used for the user's own folders, and to start a program of the user, such as a browser.
    """
    if _users_umask is None:
        yield
        return
    before = os.umask(_users_umask)
    try:
        yield
    finally:
        os.umask(before)


def check_runtime_folder(folder: Path) -> None:
    """Check that no other user can replace the socket in `folder`. `folder` need not exist.

    Raises ConfigError if another user owns the folder or the folder above it, or can write to it.
    """
    for path, owners in ((folder, {os.getuid()}), (folder.parent, {os.getuid(), 0})):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if status.st_uid not in owners or status.st_mode & _OTHERS_WRITE:
            raise ConfigError(
                f"{path}: other users can replace the socket of the daemon there (owner "
                f"{status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})",
                "set XDG_RUNTIME_DIR to a folder of your own with mode 0700",
            )
