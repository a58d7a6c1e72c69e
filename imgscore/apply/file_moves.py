"""Renames single files between open folders, and checks before and after that they are the same.

The functions follow no links, replace no file, and never copy a file to another file system.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from imgscore.apply.folders import Folders
from imgscore.apply.run_log import Linked, Run
from imgscore.errors import ImgscoreError
from imgscore.store.schema import Fingerprint
from imgscore.system import rename

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# The errors of a file system that has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

_PROBLEMS = {
    errno.EXDEV: "the folder is on another file system: move the file with another program, which "
    "copies it",
    errno.EACCES: "no permission: give yourself permission to write to both folders",
    errno.EPERM: "no permission: give yourself permission to write to both folders",
    errno.EROFS: "the file system is read-only: mount it with permission to write",
    errno.ENOSPC: "no space is left: free disk space",
    errno.EDQUOT: "the disk quota is used up: free disk space",
    errno.ELOOP: "a folder of the path is a symbolic link, which imgscore does not follow: replace "
    "the link by a folder",
    errno.ENOTDIR: "a file has the name of the folder: rename that file",
    errno.ENAMETOOLONG: "the name is too long for the other folder: rename the file",
}
"""The problem and the remedy for each error of the system."""


class Identity(NamedTuple):
    """The device and the inode of a file. They stay the same if the file is renamed."""

    device: int
    inode: int


class MoveError(ImgscoreError):
    """A file that cannot be moved."""


def problem_of(error: OSError, path: bytes) -> str:
    """Return the text of an error of the system, with a remedy. `path`: the file or folder."""
    if error.errno == errno.ENOENT:
        return f"{os.fsdecode(path)} is not there: create the folder, or connect its disk"
    known = _PROBLEMS.get(error.errno or 0)
    return known or f"{error.strerror}: see imgscore doctor"


def identity(folder: int, name: bytes) -> Identity | None:
    """Return the identity of a regular file, or None if there is no such file."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Identity(status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def exists(folder: int, name: bytes) -> bool:
    """Return whether a file, a folder or a link has this name."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def checked(folder: int, name: bytes, sha256: str, seen: Sequence[int]) -> Identity:
    """Return the identity of a file that still has the digest `sha256`.

    `seen`: the fields of its fingerprint when the digest was computed. If the file has another
    fingerprint now, for example another date, it is read again. Raises MoveError if the file has
    other bytes, and OSError if it cannot be read.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise MoveError("it is no longer a regular file: see imgscore status")
    if Fingerprint.of_stat(status) != Fingerprint(*seen):
        with os.fdopen(os.open(name, _READ_FLAGS, dir_fd=folder), "rb") as file:
            status = os.fstat(file.fileno())
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise MoveError("it was changed after it was labelled: label it again")
    return Identity(status.st_dev, status.st_ino)


class Place(NamedTuple):
    """A file name in an open folder."""

    folder: int
    name: bytes


def place(folders: Folders, path: bytes, create_below: bytes | None = None) -> Place:
    """Open the folder of a file. `create_below`: create missing folders below this one.

    Raises OSError if a folder is missing, or if a part of the path is a link.
    """
    parent, name = os.path.split(path)
    return Place(folders.open(parent, create_below=create_below), name)


def move(run: Run, number: int, expected: Identity, source: Place, target: Place) -> None:
    """Rename a file. `number`: the number of the move in the log `run`.

    Raises FileExistsError if the new name exists, MoveError if the file is no longer the expected
    one, and OSError if it cannot be moved.
    """
    if identity(*source) != expected:
        raise MoveError("another program has just moved or replaced it: run the command again")
    try:
        rename.rename(*source, *target)
    except rename.NeedsLinkError:
        run.add(Linked(number))
        try:
            rename.link_and_unlink(*source, *target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise MoveError(
                "this file system can move files only in a way that may replace other files "
                f"({error.strerror}): move the file with another program"
            ) from None
    if identity(*target) != expected:
        rename.rename(*target, *source)
        raise MoveError("another program has just replaced it: run the command again")
