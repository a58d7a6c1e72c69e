"""Recognise folders that the system or a NAS makes: recycle bins, caches and snapshots.

Their images are not the user's present images. docs/labels.md lists the names.
"""

import os

from imgscore.fsutil import open_regular

NAMES = frozenset(
    {
        # Recycle bins: Synology, QNAP, Windows, TrueNAS and Samba, macOS, Nextcloud and ownCloud.
        b"#recycle", b"@recycle", b"$recycle.bin", b"recycler", b"recycled", b"$recycle",
        b"network trash folder", b"files_trashbin",
        # Thumbnails and indexes of a NAS.
        b"@eadir", b"@__thumb", b"@tmp", b"@sharebin", b"thevolumesettingsfolder",
        # Snapshots.
        b"#snapshot", b"@recently-snapshot", b"@snapshot", b"@snapshots", b"~snapshot",
        # Files that a repair of the file system found.
        b"lost+found", b"lost.dir", b"found.000",
        # Windows and macOS.
        b"system volume information", b"temporary items", b"__macosx", b"msdownld.tmp",
        # Old versions and caches of sync programs. Most others begin with a dot.
        b"_gsdata_", b"files_versions",
    }
)  # fmt: skip
"""The names of such folders, in lower case. Names that begin with a dot are not listed here."""

CACHE_FILE = b"CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""The first bytes of CACHEDIR.TAG. Many programs mark their caches with this file."""
BIN_FILE = b"desktop.ini"
BIN_CLASS = "645FF040-5081-101B-9F08-00AA002F954E"
"""The class that the file desktop.ini names in each folder of the recycle bin of Windows"""
LINKS_FILE = b".imgscore-links"
LINKS_SIGNATURE = b"imgscore links 1"
"""The first line of this file. imgscore writes the file into each folder of links that it makes."""
MAX_INI_BYTES = 4096
"""The number of bytes of desktop.ini that are read. The file of a recycle bin has 129 bytes."""


def is_system_name(name: bytes) -> bool:
    """Return whether a folder with this name is hidden, or is made by the system or a NAS."""
    return name.startswith(b".") or name.lower() in NAMES


def is_marked(folder: bytes) -> bool:
    """Return whether a file in the folder marks it as a cache, a recycle bin or a folder of links.

    A folder of links is made by `imgscore links`.
    """
    if is_links_folder(folder):
        return True
    if _head(os.path.join(folder, CACHE_FILE), len(CACHE_SIGNATURE)) == CACHE_SIGNATURE:
        return True
    text = _head(os.path.join(folder, BIN_FILE), MAX_INI_BYTES)
    return any(BIN_CLASS.encode(code) in text.upper() for code in ("ascii", "utf-16-le"))


def is_links_folder(folder: bytes) -> bool:
    """Return whether `imgscore links` has made this folder."""
    return _head(os.path.join(folder, LINKS_FILE), len(LINKS_SIGNATURE)) == LINKS_SIGNATURE


def _head(path: bytes, size: int) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(size)
    except OSError:
        return b""
