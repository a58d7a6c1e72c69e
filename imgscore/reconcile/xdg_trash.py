"""This module reads the desktop's trash: the trash folders and the files in them.

It changes nothing in the trash. Only the user empties the trash or restores a file.
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
    """A trash folder, which contains the folders `files` and `info`.

    `base`: the folder from which the relative paths in the .trashinfo files start.
    """

    folder: bytes
    base: bytes

    @property
    def info(self) -> bytes:
        """The path of the folder of the .trashinfo files."""
        return os.path.join(self.folder, b"info")


class Entry(NamedTuple):
    """A file or folder in the trash, with its .trashinfo file.

    `info`: the path of the .trashinfo file. `status`: the result of stat for the .trashinfo file.
    If another file with this name is trashed later, `status` differs.
    """

    info: bytes
    status: os.stat_result
    path: bytes
    """The path of the file or folder in the trash."""


def trashes(home: bytes, folders: Iterable[bytes], mountinfo: bytes | None = None) -> list[Trash]:
    """Return the existing trash folders for files that a user deletes from `folders`.

    `home`: the trash folder of the user's home. A volume can have two other trash folders:
    $topdir/.Trash/$uid and $topdir/.Trash-$uid. The folder $topdir/.Trash/$uid is used only if
    .Trash has the sticky bit and is not a link.
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
    """Return whether `path` is a folder whose permissions include all bits of `mode`.

    Returns False for a symbolic link to a folder.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_mode & mode == mode


def entries(trash: Trash) -> Iterator[Entry]:
    """Yield the entries of a trash folder. Yield nothing if its `info` folder cannot be listed."""
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
                    # The entry left the trash after the folder was listed.
                    continue
                yield Entry(info.path, status, os.path.join(trash.folder, b"files", name))


def origin(trash: Trash, entry: Entry) -> bytes | None:
    """Return the path from which the user deleted an entry of the trash.

    Symbolic links in the folder part of this path are resolved. Returns None if the .trashinfo file
    cannot be read or is invalid.
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
