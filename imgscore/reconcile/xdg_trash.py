"""Reads the desktop's trash: its folders, and the files in them.

Changes nothing: only the user empties the trash or restores a file.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from imgscore.fsutil import open_regular
from imgscore.reconcile import trashinfo
from imgscore.system.mounts import mount_points
from imgscore.watches import within


class Trash(NamedTuple):
    """A trash folder with its `files` and `info`; relative paths in it start from `base`."""

    folder: bytes
    base: bytes

    @property
    def info(self) -> bytes:
        """The folder of the .trashinfo files."""
        return os.path.join(self.folder, b"info")


class Entry(NamedTuple):
    """A trashed file or folder: its .trashinfo, whose stat differs from that of a later one."""

    info: bytes
    status: os.stat_result
    path: bytes
    """the file or folder in the trash"""


def trashes(home: bytes, folders: Iterable[bytes], mountinfo: bytes | None = None) -> list[Trash]:
    """Return the existing trash folders that can contain files deleted under `folders`.

    `home`: the home trash. On other volumes these are $topdir/.Trash/$uid, if .Trash is sticky and
    no link, and $topdir/.Trash-$uid.
    """
    uid = str(os.getuid()).encode()
    trash_folders = [Trash(home, os.path.dirname(home))] if os.path.isdir(home) else []
    watched = list(folders)
    for top in mount_points(mountinfo):
        if any(within(folder, top) or within(top, folder) for folder in watched):
            shared, own = os.path.join(top, b".Trash"), os.path.join(top, b".Trash-" + uid)
            if _is_folder(shared, stat.S_ISVTX) and _is_folder(os.path.join(shared, uid)):
                trash_folders.append(Trash(os.path.join(shared, uid), top))
            if _is_folder(own):
                trash_folders.append(Trash(own, top))
    return trash_folders


def _is_folder(path: bytes, mode: int = 0) -> bool:
    """Whether a path is a folder, and no link, with at least these permission bits."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_mode & mode == mode


def entries(trash: Trash) -> Iterator[Entry]:
    """Yield the entries of a trash folder; none if `info` cannot be listed."""
    try:
        listing = os.scandir(trash.info)
    except OSError:
        return
    with listing:
        for info in listing:
            if info.name.endswith(trashinfo.SUFFIX):
                name = info.name.removesuffix(trashinfo.SUFFIX)
                try:
                    status = info.stat(follow_symlinks=False)
                except OSError:
                    continue  # restored since the folder was listed
                yield Entry(info.path, status, os.path.join(trash.folder, b"files", name))


def origin(trash: Trash, entry: Entry) -> bytes | None:
    """Return the path that an entry was deleted from, links in its folder resolved.

    None if its .trashinfo cannot be read or is invalid.
    """
    try:
        with open_regular(entry.info) as file:
            text = file.read(trashinfo.MAX_BYTES)
    except OSError:
        return None
    path = trashinfo.origin(text, trash.base)
    if path is None:
        return None
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
