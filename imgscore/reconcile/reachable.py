"""This module distinguishes a deleted file from a file on a disk that is not mounted now."""

import os
from collections.abc import Iterable

from imgscore.watches import Watches, within


def is_unreachable(watches: Watches, path: bytes, device: int) -> bool:
    """Return whether a missing file may still exist on a disk that is not mounted.

    `device`: the device that contained the file. The disk counts as not mounted in two cases. The
    outermost watched folder is missing. Or the nearest existing folder of the path is on another
    device, and is above the watched folder or empty: this is the mount point.
    """
    folder = watches.folder(path)
    if folder is None:
        return False
    if not _exists(root for root in watches.roots() if within(path, root)):
        return True
    ancestor = os.path.dirname(path)
    while not os.path.isdir(ancestor):
        ancestor = os.path.dirname(ancestor)
    if os.stat(ancestor).st_dev == device:
        return False
    return not within(ancestor, folder) or _is_empty(ancestor)


def _exists(folders: Iterable[bytes]) -> bool:
    return all(os.path.isdir(folder) for folder in folders)


def _is_empty(folder: bytes) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False
