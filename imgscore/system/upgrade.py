"""Recognises an upgrade of imgscore while this process runs.

Python reads the file of a module when the module is imported first, and some modules of the daemon
are imported only when they are needed. After an upgrade, such a module does not fit the older
modules in memory, and any error can follow.
"""

import os
import sys
from zlib import crc32

REMEDY = (
    "imgscore was upgraded while the daemon ran; restart the daemon: imgscore stop, then "
    "imgscore start"
)
"""The advice for a daemon that has another version than the files of the program."""
PACKAGES = ("imgscore", "imgscored")


class ProgramFiles:
    """The files of the program as they were when `remember` was called."""

    def __init__(self) -> None:
        self._checksum: int | None = None

    def remember(self) -> None:
        """Store a checksum of the present files. It takes about 5 ms."""
        self._checksum = checksum()

    @property
    def are_replaced(self) -> bool:
        """True if a file was replaced, added or deleted since `remember` was called."""
        return self._checksum is not None and self._checksum != checksum()


program_files = ProgramFiles()
"""the files of this process; only the daemon remembers them"""


def checksum() -> int:
    """Return a checksum of the paths, inodes, dates and sizes of all modules of imgscore."""
    result = 0
    for package in PACKAGES:
        for root in getattr(sys.modules.get(package), "__path__", ()):
            for folder, folders, names in os.walk(root):
                folders[:] = sorted(name for name in folders if name != "__pycache__")
                for name in sorted(names):
                    if name.endswith(".py"):
                        result = crc32(_identity(f"{folder}/{name}"), result)
    return result


def _identity(path: str) -> bytes:
    try:
        status = os.stat(path)
    except OSError:  # an upgrade deletes it at this moment
        return path.encode(errors="surrogateescape")
    text = repr((path, status.st_ino, status.st_mtime_ns, status.st_size))
    return text.encode(errors="surrogateescape")
