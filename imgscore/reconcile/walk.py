"""The image files under a folder, with their stat. Follows no link, opens no file."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from imgscore.images.formats import is_image_name
from imgscore.store.schema import Fingerprint


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


def walk(root: bytes) -> Iterator[Found | Unlisted]:
    """Every image file under `root`, folder by folder; hidden folders are left out.

    A file that vanishes meanwhile is passed over.
    """
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:
            yield Unlisted(folder, error.strerror or str(error))
            continue
        with entries:
            while True:
                try:
                    entry = next(entries)
                except StopIteration:
                    break
                except OSError as error:  # a failing disk, in the middle of a folder
                    yield Unlisted(folder, error.strerror or str(error))
                    break
                if entry.name.startswith(b"."):
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif is_image_name(entry.name) and entry.is_file(follow_symlinks=False):
                        yield Found(entry.path, entry.stat(follow_symlinks=False))
                except OSError:
                    continue


def look_at(path: bytes) -> Fingerprint | None:
    """The fingerprint of a regular file; None for anything else, or nothing."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Fingerprint.of_stat(status) if stat.S_ISREG(status.st_mode) else None
