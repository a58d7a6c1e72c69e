"""Makes and recognises single files in a folder of links: links, hard links and copies.

No function replaces a file. `folder` is always a descriptor of the folder, so that a renamed folder
changes nothing.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from imgscore import fsutil
from imgscore.links.manifest import Entry
from imgscore.system import rename

READ_BYTES = 2**20
"""The number of bytes that a copy reads at once."""
_PART = re.compile(rb"\.imgscore-[0-9a-f]{12}\.part")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Identity = tuple[int, int, int, int]


class SourceError(OSError):
    """The image cannot be read. The folder of links is not the cause."""


def is_unfinished(name: bytes) -> bool:
    """Return whether a file is an unfinished copy, which a killed process left behind."""
    return _PART.fullmatch(name) is not None


def unfinished_name() -> bytes:
    """Return a new name for an unfinished copy."""
    return b".imgscore-%s.part" % os.urandom(6).hex().encode()


def identity(status: os.stat_result) -> Identity:
    """Return device, inode, size and mtime (in ns) of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def is_ours(folder: int, entry: Entry) -> bool:
    """Return whether the file of an entry is still the file that imgscore made.

    A file of the user that has taken its name is not. Raises OSError if the file cannot be read.
    """
    name = entry.file_name
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if entry.kind == "link":
        if not stat.S_ISLNK(status.st_mode):
            return False
        return os.readlink(name, dir_fd=folder) == os.fsencode(entry.target)
    if not stat.S_ISREG(status.st_mode):
        return False
    known = entry.identity
    if entry.kind == "hard":
        # The number of a device can change at each start of the system.
        same_device = status.st_dev == os.fstat(folder).st_dev
        return known is not None and same_device and status.st_ino == known[1]
    if known is not None and identity(status)[1:] == known[1:]:
        return True
    # A remounted disk may give other inodes, and FAT other dates. The content then decides.
    if known is not None and status.st_size != known[2]:
        return False
    return _sha256(folder, name) == (entry.content or entry.digest)


def make_link(folder: int, name: bytes, target: bytes) -> None:
    """Make a symbolic link. Raises OSError."""
    os.symlink(target, name, dir_fd=folder)


def make_hard_link(folder: int, name: bytes, image: bytes) -> None:
    """Make a hard link to an image. Raises OSError."""
    os.link(image, name, dst_dir_fd=folder, follow_symlinks=False)


def make_copy(folder: int, name: bytes, image: bytes) -> tuple[Identity, str]:
    """Copy an image with its date and permissions. Return its identity and the sha256 of its bytes.

    Raises SourceError if the image cannot be read, and OSError if the copy cannot be written.
    """
    try:
        source = fsutil.open_regular(image)
    except OSError as error:
        raise SourceError(error.errno, error.strerror, image) from None
    with source:
        status = os.fstat(source.fileno())
        with _unfinished(folder, status.st_mode) as (descriptor, part):
            found = hashlib.sha256()
            while data := _read(source.fileno(), image):
                found.update(data)
                _write_all(descriptor, data)
            with suppress(OSError):  # Some network disks set no dates.
                os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(descriptor)
            move(folder, part, name)
            return identity(os.fstat(descriptor)), found.hexdigest()


def move(folder: int, name: bytes, new_name: bytes) -> None:
    """Rename a file in the folder. Raises FileExistsError if the new name exists."""
    try:
        rename.rename(folder, name, folder, new_name)
        return
    except rename.NeedsLinkError:
        pass
    try:
        rename.link_and_unlink(folder, name, folder, new_name)
    except FileExistsError:
        raise
    except OSError:
        # This file system can neither rename without replacing nor make hard links.
        if exists(folder, new_name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name) from None
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=folder)


def exists(folder: int, name: bytes) -> bool:
    """Return whether a file or a link with this name is in the folder."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _unfinished(folder: int, mode: int) -> Iterator[tuple[int, bytes]]:
    """Yield the descriptor and the name of a new file. The file is deleted after an error."""
    part = unfinished_name()
    # The mask of the daemon's service hides new files from other users. A program that shows the
    # folder, such as a media server, is often another user. So a copy has the mode of its image.
    mask = os.umask(0)
    try:
        descriptor = os.open(part, _NEW, stat.S_IMODE(mode) & 0o666 | 0o600, dir_fd=folder)
    finally:
        os.umask(mask)
    try:
        yield descriptor, part
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)


def _read(descriptor: int, image: bytes) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError as error:
        raise SourceError(error.errno, error.strerror, image) from None


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sha256(folder: int, name: bytes) -> str:
    descriptor = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
    )
    with open(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
