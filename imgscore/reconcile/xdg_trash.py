"""The desktop's trash on disk: which trash folders there are, and what lies in them.

Reads, and changes nothing: trash is emptied and restored by the user alone.
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
    """A trash folder, which holds `files` and `info`; relative paths in it start from `base`."""

    folder: bytes
    base: bytes

    @property
    def info(self) -> bytes:
        """Where the .trashinfo files lie."""
        return os.path.join(self.folder, b"info")


class Entry(NamedTuple):
    """One trashed file or folder: its .trashinfo, whose stat tells it from a later one's."""

    info: bytes
    status: os.stat_result
    path: bytes
    """where the file or folder lies now"""


def trashes(home: bytes, folders: Iterable[bytes], mountinfo: bytes | None = None) -> list[Trash]:
    """The trash folders that can hold what was deleted under `folders`, as far as they are there.

    `home`: the home trash. On volumes: $topdir/.Trash/$uid, where .Trash is sticky and no link,
    and $topdir/.Trash-$uid.
    """
    uid = str(os.getuid()).encode()
    found = [Trash(home, os.path.dirname(home))] if os.path.isdir(home) else []
    watched = list(folders)
    for top in mount_points(mountinfo):
        if any(within(folder, top) or within(top, folder) for folder in watched):
            shared, own = os.path.join(top, b".Trash"), os.path.join(top, b".Trash-" + uid)
            if _is_folder(shared, stat.S_ISVTX) and _is_folder(os.path.join(shared, uid)):
                found.append(Trash(os.path.join(shared, uid), top))
            if _is_folder(own):
                found.append(Trash(own, top))
    return found


def _is_folder(path: bytes, mode: int = 0) -> bool:
    """Whether a folder, and no link to one, is there with these permission bits."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_mode & mode == mode


def entries(trash: Trash) -> Iterator[Entry]:
    """What the trash folder's `info` lists; nothing where it cannot be listed."""
    try:
        listing = os.scandir(trash.info)
    except OSError:
        return
    with listing:
        for one in listing:
            if one.name.endswith(trashinfo.SUFFIX):
                name = one.name.removesuffix(trashinfo.SUFFIX)
                try:
                    status = one.stat(follow_symlinks=False)
                except OSError:
                    continue  # restored meanwhile
                yield Entry(one.path, status, os.path.join(trash.folder, b"files", name))


def origin(trash: Trash, entry: Entry) -> bytes | None:
    """Where an entry came from, its folder free of links; None where its .trashinfo says not."""
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
