"""This module detects whether a sync client or git reacts to changed file dates in a folder.

`doctor` and `init` call this module. It reads only the names of the files in the folder and in the
folder's parents. A sign of such a program only causes a warning.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class Marker(NamedTuple):
    """A sign that a sync client or git uses a folder.

    `kind`: the name of the program. `path`: the file or folder that the program created.
    `sentence`: a description of what the program does if a file gets a new date.
    """

    kind: str
    path: Path
    sentence: str


# Dropbox marks its folder with a file `.dropbox`. If `.dropbox` is a folder, it contains the
# settings of Dropbox and is not a marker.
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
    """Return the markers of the programs that use `folder`.

    If a program has markers in `folder` and in parents of `folder`, only the nearest marker is
    returned. Folders that cannot be read are skipped.
    """
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
