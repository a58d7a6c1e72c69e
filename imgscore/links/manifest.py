"""The list of the files that imgscore has made in a folder of links.

The list is the hidden file `.imgscore-links` in this folder. It also marks the folder, so that no
scan of a watched folder reads it. The list is written before any other file is made or removed, so
after a crash it may name files that do not exist, but it never lacks one.
"""

import json
import os
from typing import Literal

import msgspec

from imgscore import fsutil
from imgscore.errors import ImgscoreError
from imgscore.system.system_folders import LINKS_FILE, LINKS_SIGNATURE

Kind = Literal["link", "hard", "copy"]
"""The kind of a file in the folder: a symbolic link, a hard link, or a copy."""
MAX_BYTES = 2**28
"""The largest size of a list that is read. 100,000 entries have about 40 MB."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that imgscore has made. `name`: its name. `digest`: the digest of its image in hex."""

    name: str
    kind: Kind
    digest: str
    image: str
    """the path of the image"""
    target: str = ""
    """the text of the symbolic link"""
    identity: tuple[int, int, int, int] | None = None
    """device, inode, size and mtime (in ns) of a hard link or of a copy. For a hard link, only
    device and inode are compared. None means that a copy was not finished."""
    content: str = ""
    """the sha256 of the bytes of a copy, in hex; "" means the same as `digest`"""

    @property
    def file_name(self) -> bytes:
        """The name as bytes."""
        return os.fsencode(self.name)


def read(folder: int, name: str) -> list[Entry] | None:
    """Return the entries of the list in a folder. Return None if the folder has no list.

    `folder`: a descriptor of the folder. `name`: its path, for an error. Raises ImgscoreError if
    the list cannot be used.
    """
    try:
        with fsutil.open_regular(_path(folder)) as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1) or b""
    except FileNotFoundError:
        return None
    if status.st_uid not in (os.geteuid(), 0):
        raise ImgscoreError(
            f"{name}: the list {LINKS_FILE.decode()} belongs to another user",
            "choose another folder for the links",
        )
    lines = data.split(b"\n")
    if len(data) > MAX_BYTES or lines[0] != LINKS_SIGNATURE:
        raise _damaged(name)
    try:
        found = [msgspec.convert(json.loads(line), Entry) for line in lines[1:] if line]
    except (ValueError, msgspec.ValidationError, RecursionError):
        raise _damaged(name) from None
    # The names of a damaged or foreign list must not lead out of the folder.
    if any("/" in entry.name or entry.name in ("", ".", "..") for entry in found):
        raise _damaged(name)
    return found


def write(folder: int, entries: list[Entry]) -> None:
    """Replace the list of a folder. Return when the list is on disk. Raises OSError."""
    # A byte of a name that is not UTF-8 is a lone surrogate, which only ASCII JSON can contain.
    lines = (
        json.dumps(msgspec.to_builtins(entry), separators=(",", ":")).encode() for entry in entries
    )
    fsutil.write_atomic(_path(folder), b"\n".join([LINKS_SIGNATURE, *lines, b""]))


def remove(folder: int) -> None:
    """Delete the list of a folder."""
    os.unlink(LINKS_FILE, dir_fd=folder)


def _path(folder: int) -> bytes:
    # The path goes through the descriptor: the folder may be renamed meanwhile.
    return b"/proc/self/fd/%d/%s" % (folder, LINKS_FILE)


def _damaged(name: str) -> ImgscoreError:
    return ImgscoreError(
        f"{name}: the list {LINKS_FILE.decode()} is damaged, so nothing shows which files imgscore "
        "has made in the folder",
        "choose another folder for the links",
    )
