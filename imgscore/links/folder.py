"""Opens a folder of links, and brings it up to date or empties it.

A file that is not in the folder's list (manifest.py), or that has changed, belongs to the user and
stays. After a crash between any two steps, the next call goes on.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from imgscore.errors import ImgscoreError, UsageError
from imgscore.links import manifest
from imgscore.links.manifest import Kind
from imgscore.links.update import Change, Image, Options, Update
from imgscore.system import private

__all__ = ["Change", "Image", "Options", "clear", "refresh"]

LOCK_SECONDS = 10.0
"""The longest wait, in seconds, for another process that writes into the folder."""
LOCK_RETRY_SECONDS = 0.05
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)


def refresh(
    path: bytes,
    images: Sequence[Image],
    options: Options,
    *,
    dry_run: bool = False,
    create: bool = True,
    must_be_new: bool = False,
) -> list[Change]:
    """Make the folder contain exactly these images, best image first, and return the changes.

    Images that are not on the disk are left out. `create`: whether to create a missing folder.
    `must_be_new`: whether to refuse a folder with other files, if imgscore did not make it.
    Raises ImgscoreError if the folder cannot be used.
    """
    with _errors_of(path, options.kind):
        if dry_run and not os.path.lexists(path):
            return Update(None, os.path.realpath(path), options).preview(images)
        if create and not dry_run:
            with private.users_umask():  # the folder is the user's, who may share it
                os.makedirs(path, exist_ok=True)
        with _opened(path) as folder:
            update = Update(folder, os.path.realpath(path), options)
            if not update.read() and must_be_new and update.foreign:
                raise UsageError(
                    f"{os.fsdecode(path)} contains "
                    f"{os.fsdecode(update.foreign[0])}, which is not a link that imgscore made",
                    "give the name of a new folder",
                )
            return update.preview(images) if dry_run else update.run(images)


def clear(path: bytes, *, dry_run: bool = False) -> list[Change]:
    """Remove all files that imgscore has made in the folder, and the folder if it is then empty.

    Raises UsageError if imgscore has made no links there.
    """
    if not os.path.lexists(path):
        raise ImgscoreError(
            f"{os.fsdecode(path)} does not exist, so there are no links to remove",
            "give a folder that imgscore links has made; `imgscore status` lists those of the "
            "config",
        )
    with _errors_of(path, "link"), _opened(path) as folder:
        update = Update(folder, os.path.realpath(path), Options())
        if not update.read():
            raise UsageError(
                f"{os.fsdecode(path)} is not a folder of links that imgscore made",
                "give a folder that imgscore links has made",
            )
        if dry_run:
            return update.preview([])
        changes = update.run([])
        manifest.remove(folder)
        with suppress(OSError):  # The folder contains other files, or it is a mounted disk.
            os.rmdir(path)
        return changes


@contextmanager
def _opened(path: bytes) -> Iterator[int]:
    """Yield a descriptor of the folder, which no other process of imgscore writes to meanwhile."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(folder, path)
        yield folder
    finally:
        os.close(folder)


def _lock(folder: int, path: bytes) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ImgscoreError(
                    f"{os.fsdecode(path)}: another imgscore writes into this folder",
                    "wait until it ends, then try again",
                ) from None
        except OSError:
            return  # Some network disks cannot lock folders.
        time.sleep(LOCK_RETRY_SECONDS)


@contextmanager
def _errors_of(path: bytes, kind: Kind) -> Iterator[None]:
    """Turn an OSError of the folder into an ImgscoreError with a remedy."""
    name = os.fsdecode(path)
    try:
        yield
    except OSError as error:
        raise _described(error, name, path, kind) from error


def _described(error: OSError, name: str, path: bytes, kind: Kind) -> ImgscoreError:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if not os.path.isdir(path):
            if os.path.lexists(path):
                return UsageError(f"{name} is not a folder", "give the name of a folder")
            return ImgscoreError(
                f"{name} does not exist",
                f"make it again: imgscore links '{name}'",
            )
        case errno.EEXIST if not os.path.isdir(path):
            return UsageError(f"{name} is not a folder", "give the name of a folder")
        case errno.ENOSPC | errno.EDQUOT:
            return ImgscoreError(
                f"{name}: the disk is full, so not all files were made",
                "free some disk space, or choose fewer images: --top",
            )
        case errno.EXDEV:
            return ImgscoreError(
                f"{name} is on another file system than the images, and no hard link can lead to "
                "another file system",
                "make symbolic links (without --hard), or copies (--copy)",
            )
        case number if kind == "link" and number in _NO_LINKS and os.access(path, os.W_OK):
            return ImgscoreError(
                f"{name} is on a file system without symbolic links", "make copies: --copy"
            )
        case _:
            return ImgscoreError(
                f"{name}: the folder cannot be written: {error.strerror}",
                "check the permissions of the folder, or choose another folder",
            )
