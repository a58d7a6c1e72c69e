"""The register of the folders in which imgscore has made hard links.

A file with a hard link in an unknown place keeps its date. A hard link that `imgscore links --hard`
has made is no reason for that, so the folders of these links are registered in the data folder.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress

from imgscore import fsutil, paths
from imgscore.errors import ImgscoreError
from imgscore.links import manifest

Inode = tuple[int, int]


def register(folder: bytes) -> None:
    """Add a folder to the register. Raises OSError if the register cannot be written."""
    file = _file()
    known = list(_folders())
    if folder not in known:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        # A path can contain a newline, but no NUL.
        fsutil.write_atomic(file, b"\0".join([*known, folder]), mode=0o600)


def counts(inodes: Collection[Inode]) -> Counter[Inode]:
    """Return how many hard links to each of these inodes the registered folders contain."""
    found: Counter[Inode] = Counter()
    if not inodes:
        return found
    numbers = {number for _, number in inodes}
    for folder in _folders():
        with suppress(OSError, ImgscoreError):  # The folder is gone, or its disk is not mounted.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                found.update(_inodes_in(descriptor, folder, numbers))
            finally:
                os.close(descriptor)
    return found


def _inodes_in(folder: int, path: bytes, numbers: set[int]) -> Iterator[Inode]:
    for entry in manifest.read(folder, os.fsdecode(path)) or ():
        if entry.kind == "hard" and entry.identity is not None and entry.identity[1] in numbers:
            with suppress(OSError):
                status = os.stat(entry.file_name, dir_fd=folder, follow_symlinks=False)
                yield status.st_dev, status.st_ino


def _folders() -> list[bytes]:
    try:
        with fsutil.open_regular(_file()) as file:
            data = file.readall()
    except OSError:
        return []
    return [folder for folder in data.split(b"\0") if folder.startswith(b"/")]


def _file() -> bytes:
    return os.fsencode(paths.data_folder() / "hard-link-folders")
