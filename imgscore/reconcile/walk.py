"""The image files under a folder, with their stat. Follows no link, opens no file."""

import os
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

from imgscore.images.formats import is_image_name
from imgscore.store.schema import Fingerprint

# As os.fsencode does, which costs a call a file.
_ENCODING = sys.getfilesystemencoding()


class Found(NamedTuple):
    """A regular file with an image's name."""

    path: bytes
    status: os.stat_result

    @property
    def seen(self) -> Fingerprint:
        """What tells it from a changed one."""
        return Fingerprint.of_stat(self.status)


class Unlisted(NamedTuple):
    """A folder that cannot be listed, and why."""

    path: bytes
    reason: str


class Listing(NamedTuple):
    """Image files of one folder: their names, and the stat of each."""

    folder: bytes
    names: list[bytes]
    stats: list[os.stat_result]


def walk(root: bytes) -> Iterator[Found | Unlisted]:
    """Every image file under `root`, folder by folder; hidden folders are left out.

    A file that vanishes meanwhile is passed over.
    """
    for part in listings(root):
        if isinstance(part, Unlisted):
            yield part
            continue
        for name, status in zip(part.names, part.stats, strict=True):
            yield Found(os.path.join(part.folder, name), status)


def listings(root: bytes, most: int = 1000) -> Iterator[Listing | Unlisted]:
    """As `walk`, at most so many files of one folder at a time: the faster form."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            # From the folder's descriptor, the kernel need not find the way to each file again.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            yield Unlisted(folder, error.strerror or str(error))
            continue
        try:
            with os.scandir(descriptor) as entries:
                yield from _listed(folder, entries, folders, most)
        except OSError as error:  # a failing disk, in the middle of a folder
            yield Unlisted(folder, error.strerror or str(error))
        finally:
            os.close(descriptor)


def _listed(
    folder: bytes, entries: Iterator["os.DirEntry[str]"], folders: list[bytes], most: int
) -> Iterator[Listing]:
    """What is in one folder; its own folders are added to `folders`. Raises OSError."""
    names: list[bytes] = []
    stats: list[os.stat_result] = []
    for entry in entries:
        name = entry.name.encode(_ENCODING, "surrogateescape")
        try:
            if is_image_name(name) and entry.is_file(follow_symlinks=False):
                stats.append(entry.stat(follow_symlinks=False))
                names.append(name)
            elif entry.is_dir(follow_symlinks=False) and not name.startswith(b"."):
                folders.append(os.path.join(folder, name))
        except OSError:
            continue
        if len(names) == most:
            yield Listing(folder, names, stats)
            names, stats = [], []
    yield Listing(folder, names, stats)


def look_at(path: bytes) -> Fingerprint | None:
    """The fingerprint of a regular file; None for anything else, or nothing."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Fingerprint.of_stat(status) if stat.S_ISREG(status.st_mode) else None
