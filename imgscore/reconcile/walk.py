"""This module lists the image files under a folder, with the result of stat for each file.

It follows no links and opens no files.
"""

import errno
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from imgscore.images.formats import NameKind, is_image_name, kind_of_name
from imgscore.images.ratings.names import is_sidecar
from imgscore.store.schema import Fingerprint
from imgscore.system.system_folders import is_marked, is_system_name
from imgscore.watches import Watches

# The encoding of file names. `str.encode` with this encoding returns the bytes that os.fsencode
# returns, but it saves a Python call for each file.
_ENCODING = sys.getfilesystemencoding()


LEFT_ALONE: dict[NameKind, str] = {
    "hidden": "hidden",
    "unfinished": "unfinished",
    "video": "videos",
    "svg": "svg",
    "unknown": "unknown",
}
"""The reasons to leave a file alone, by the kind of its name."""


class ImageFile(NamedTuple):
    """A regular file whose name has the suffix of an image format."""

    path: bytes
    status: os.stat_result

    @property
    def seen(self) -> Fingerprint:
        """The fingerprint of the file, as computed from `status`."""
        return Fingerprint.of_stat(self.status)


class Unlisted(NamedTuple):
    """A folder that cannot be listed, with the reason for that."""

    path: bytes
    reason: str


class Listing(NamedTuple):
    """Image files of one folder. `names` and `stats` have the same order and length."""

    folder: bytes
    names: list[bytes]
    stats: list[os.stat_result]
    left_alone: Counter[str]
    """The number of other files in this part of the folder, by the reason to leave them alone."""
    sidecars: list[tuple[bytes, os.stat_result]]
    """The names and the stat results of the .xmp sidecars in this part, if they are wanted."""


def walk(root: bytes) -> Iterator[ImageFile | Unlisted]:
    """Yield the image files under `root`, folder by folder. Skip hidden folders and recycle bins.

    A file that is deleted during the walk is also skipped.
    """
    for part in listings(root):
        if isinstance(part, Unlisted):
            yield part
            continue
        for name, status in zip(part.names, part.stats, strict=True):
            yield ImageFile(os.path.join(part.folder, name), status)


def listings(
    root: bytes, limit: int = 1000, *, recursive: bool = True, sidecars: bool = False
) -> Iterator[Listing | Unlisted]:
    """Yield the files under `root` in lists. This is faster than `walk`, which yields single files.

    Each list contains at most `limit` files of one folder. `recursive`: whether to list the folders
    below `root`, too. `sidecars`: whether to list the .xmp sidecars, too.
    """
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            # Use a descriptor of the folder. With it, the kernel does not resolve the path of the
            # folder for each file.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            yield _unlisted(folder, error)
            continue
        try:
            with os.scandir(descriptor) as entries:
                yield from _listings_of(folder, entries, folders, limit, sidecars)
        except OSError as error:
            # The folder was opened, but listing it failed, for example because of an error of the
            # disk.
            yield _unlisted(folder, error)
        finally:
            os.close(descriptor)
        if not recursive:
            return


def _unlisted(folder: bytes, error: OSError) -> "Unlisted":
    """Return the reason why a folder is not listed.

    Raises `error` if the system lacks descriptors or memory: the folder is not the cause.
    """
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise error
    return Unlisted(folder, error.strerror or str(error))


def _listings_of(
    folder: bytes,
    entries: Iterator["os.DirEntry[str]"],
    folders: list[bytes],
    limit: int,
    sidecars: bool,
) -> Iterator[Listing]:
    """Yield the image files of one folder, and add the subfolders of this folder to `folders`.

    Raises OSError if the folder cannot be listed.
    """
    names: list[bytes] = []
    stats: list[os.stat_result] = []
    left_alone: Counter[str] = Counter()
    beside: list[tuple[bytes, os.stat_result]] = []
    for entry in entries:
        name = entry.name.encode(_ENCODING, "surrogateescape")
        try:
            if is_image_name(name) and entry.is_file(follow_symlinks=False):
                stats.append(entry.stat(follow_symlinks=False))
                names.append(name)
            elif sidecars and is_sidecar(name) and entry.is_file(follow_symlinks=False):
                beside.append((name, entry.stat(follow_symlinks=False)))
            elif entry.is_dir(follow_symlinks=False) and not is_system_name(name):
                subfolder = os.path.join(folder, name)
                if not is_marked(subfolder):
                    folders.append(subfolder)
            elif reason := _reason_to_leave(entry, name):
                left_alone[reason] += 1
        except OSError:
            continue
        if len(names) == limit:
            yield Listing(folder, names, stats, left_alone, beside)
            names, stats, left_alone, beside = [], [], Counter(), []
    yield Listing(folder, names, stats, left_alone, beside)


def _reason_to_leave(entry: "os.DirEntry[str]", name: bytes) -> str:
    """Return the reason why imgscore leaves a file alone, as `status` names it.

    The result is '' for a file that describes an image, such as a sidecar, and for a hidden folder.
    """
    if entry.is_symlink():
        return "links"
    if not entry.is_file(follow_symlinks=False):
        return "" if entry.is_dir(follow_symlinks=False) else "unknown"
    return LEFT_ALONE.get(kind_of_name(name), "")


def is_skipped(watches: Watches, path: bytes) -> bool:
    """Return whether a scan of the watched folders skips `path`, because of its names or a marker.

    A `path` that ends with a slash is the path of a folder.
    """
    folder = watches.folder(path)
    if folder is None or watches.hides(path):
        return True
    inside = os.path.dirname(path)
    while len(inside) > len(folder):
        if is_marked(inside):
            return True
        inside = os.path.dirname(inside)
    return False


def fingerprint_of(path: bytes) -> Fingerprint | None:
    """Return the fingerprint of the regular file at `path`.

    Return None if there is no regular file at `path`.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Fingerprint.of_stat(status) if stat.S_ISREG(status.st_mode) else None
