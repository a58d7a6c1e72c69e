"""Signs that others watch the dates in a folder: sync clients and git, for `doctor` and `init`.

Reads names in the folder and in those above it, nothing else; it warns, it forbids nothing.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class Marker(NamedTuple):
    """`kind`: who watches; `path`: the sign found; `sentence`: what a touch means there."""

    kind: str
    path: Path
    sentence: str


# Dropbox's sign is a file: a folder `.dropbox` is its settings, in every home that runs it.
_SIGNS = (
    (
        "syncthing",
        (".stfolder",),
        "Syncthing shares {folder}: each new date is looked at and sent to your other devices.",
    ),
    (
        "nextcloud",
        ("._sync_*.db", ".sync_*.db", ".nextcloudsync.log"),
        "Nextcloud syncs {folder}: a file with a new date may be uploaded again.",
    ),
    (
        "dropbox",
        (".dropbox", ".dropbox.cache"),
        "Dropbox syncs {folder}: each file with a new date is read and indexed again.",
    ),
    (
        "git",
        (".git",),
        "{folder} is a git work tree: git reads files with a new date again, and keeps no dates.",
    ),
)


def find_markers(folder: Path) -> list[Marker]:
    """The first sign of each kind in `folder` or the nearest folder above; unreadable ones pass."""
    found: dict[str, Marker] = {}
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            names = sorted(path.name for path in place.iterdir() if path.name.startswith("."))
        except OSError:
            continue
        for kind, patterns, sentence in _SIGNS:
            for name in names:
                if kind not in found and any(fnmatchcase(name, pattern) for pattern in patterns):
                    sign = place / name
                    if name != ".dropbox" or sign.is_file():
                        found[kind] = Marker(kind, sign, sentence.format(folder=place))
    return list(found.values())
