"""Lists the image files under a folder, with their stat. Follows no link, opens no file."""

import os
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

from imgscore.images.formats import is_image_name
from imgscore.store.schema import Fingerprint

# Encodes as os.fsencode does, but saves a Python call for each file.
_ENCODING = sys.getfilesystemencoding()


class ImageFile(NamedTuple):
    """A regular file with an image's name."""

    path: bytes
    status: os.stat_result

    @property
    def seen(self) -> Fingerprint:
        """Its fingerprint."""
        return Fingerprint.of_stat(self.status)


class Unlisted(NamedTuple):
    """A folder that cannot be listed, and the reason."""

    path: bytes
    reason: str


class Listing(NamedTuple):
    """Image files of one folder: the name and the stat of each."""

    folder: bytes
    names: list[bytes]
    stats: list[os.stat_result]


def walk(root: bytes) -> Iterator[ImageFile | Unlisted]:
    """Yield the image files under `root`, folder by folder; skips hidden folders.

    Skips a file that is deleted during the walk.
    """
    for part in listings(root):
        if isinstance(part, Unlisted):
            yield part
            continue
        for name, status in zip(part.names, part.stats, strict=True):
            yield ImageFile(os.path.join(part.folder, name), status)


def listings(root: bytes, limit: int = 1000) -> Iterator[Listing | Unlisted]:
    """Yield the files of `walk` in lists of at most `limit` files of one folder: faster."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            # With the folder's descriptor, the kernel does not resolve the folder for each file.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            yield Unlisted(folder, error.strerror or str(error))
            continue
        try:
            with os.scandir(descriptor) as entries:
                yield from _listings_of(folder, entries, folders, limit)
        except OSError as error:  # the disk failed while the folder was listed
            yield Unlisted(folder, error.strerror or str(error))
        finally:
            os.close(descriptor)


def _listings_of(
    folder: bytes, entries: Iterator["os.DirEntry[str]"], folders: list[bytes], limit: int
) -> Iterator[Listing]:
    """List one folder, and add its subfolders to `folders`. Raises OSError."""
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
        if len(names) == limit:
            yield Listing(folder, names, stats)
            names, stats = [], []
    yield Listing(folder, names, stats)


def fingerprint_of(path: bytes) -> Fingerprint | None:
    """Return the fingerprint of a regular file; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Fingerprint.of_stat(status) if stat.S_ISREG(status.st_mode) else None
