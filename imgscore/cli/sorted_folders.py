"""Finds folders in an inbox whose names show that they contain sorted images, such as Rejected/."""

import os
import unicodedata
from typing import NamedTuple

KEEP_NAMES = frozenset((
    "keep", "keeps", "keepers", "kept", "select", "selects", "selected", "picks", "picked",
    "best", "favorites", "favourites", "good", "behalten", "auswahl", "garder", "conservar",
    "selección", "selecionadas", "tenere", "bewaren", "spara", "behold",
))  # fmt: skip
"""Common names of folders of images to keep, in lower case, in English and other languages."""
TRASH_NAMES = frozenset((
    "trash", "reject", "rejects", "rejected", "delete", "deleted", "discard", "discarded",
    "bad", "papierkorb", "gelöscht", "ausschuss", "corbeille", "rejetées", "papelera",
    "rechazadas", "lixeira", "rejeitadas", "cestino", "scartate", "prullenbak", "papperskorg",
    "papirkurv",
))  # fmt: skip
"""Common names of folders of images to delete, in lower case, in English and other languages."""


class SortedFolders(NamedTuple):
    """The names of folders in an inbox that probably contain sorted images."""

    keep: list[str]
    trash: list[str]


def find(inbox: bytes) -> SortedFolders:
    """Return the folders in `inbox` that probably contain images to keep or to delete.

    The folders `keep` and `trash` are left out: imgscore uses these without a setting.
    """
    folders = SortedFolders([], [])
    try:
        entries = sorted(os.scandir(inbox), key=lambda entry: entry.name)
    except OSError:
        return folders
    for entry in entries:
        name = os.fsdecode(entry.name)
        plain = unicodedata.normalize("NFC", name).casefold()
        if _is_default(inbox, entry) or not entry.is_dir(follow_symlinks=False):
            continue
        if plain in KEEP_NAMES:
            folders.keep.append(name)
        elif plain in TRASH_NAMES:
            folders.trash.append(name)
    return folders


def _is_default(inbox: bytes, entry: "os.DirEntry[bytes]") -> bool:
    """Return whether an entry is the folder `keep` or `trash` of the inbox.

    If the file system ignores the case of names, `Keep` is the folder `keep`.
    """
    if entry.name in (b"keep", b"trash"):
        return True
    default = os.path.join(inbox, entry.name.lower())
    try:
        return entry.name.lower() in (b"keep", b"trash") and os.path.samefile(default, entry.path)
    except OSError:
        return False
