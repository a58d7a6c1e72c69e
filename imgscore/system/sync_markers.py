"""Detects that a sync client or git also reads a folder's dates, for `doctor` and `init`.

Reads the names in the folder and in its parents. A marker causes a warning only.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class Marker(NamedTuple):
    """`kind`: the program; `path`: its file or folder; `sentence`: the effect of a new date."""

    kind: str
    path: Path
    sentence: str


# Dropbox marks its folder with a file `.dropbox`; a folder of that name holds its settings.
_SIGNS = (
    (
        "syncthing",
        (".stfolder",),
        "Syncthing shares {folder}: it sends each new date to your other devices.",
    ),
    (
        "nextcloud",
        ("._sync_*.db", ".sync_*.db", ".nextcloudsync.log"),
        "Nextcloud syncs {folder}: it may upload a file with a new date again.",
    ),
    (
        "dropbox",
        (".dropbox", ".dropbox.cache"),
        "Dropbox syncs {folder}: it reads and indexes each file with a new date again.",
    ),
    (
        "git",
        (".git",),
        "{folder} is a git work tree: git reads a file with a new date again, and stores no dates.",
    ),
)


def find_markers(folder: Path) -> list[Marker]:
    """Return the nearest marker of each kind, in `folder` or above; skips unreadable folders."""
    markers: dict[str, Marker] = {}
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            names = sorted(path.name for path in place.iterdir() if path.name.startswith("."))
        except OSError:
            continue
        for kind, patterns, sentence in _SIGNS:
            for name in names:
                if kind not in markers and any(fnmatchcase(name, pattern) for pattern in patterns):
                    sign = place / name
                    if name != ".dropbox" or sign.is_file():
                        markers[kind] = Marker(kind, sign, sentence.format(folder=place))
    return list(markers.values())
