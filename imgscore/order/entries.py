"""This module groups files into entries. One entry is one position in the order.

All names of one inode are in one entry. A RAW file, the JPEG of the same name, and the sidecars of
both are also in one entry. The functions use only the list of files that the caller passes, and
read nothing from the disk.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from imgscore.order import json_sidecars

NANOSECONDS = 1_000_000_000

RAW_SUFFIXES = frozenset(
    b".3fr .arw .cr2 .cr3 .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2"
    b" .rwl .sr2 .srf .srw .x3f".split()
)
SIDECAR_SUFFIXES = frozenset(b".aae .cos .dop .json .pp3 .thm .xmp".split())
JPEG_SUFFIXES = frozenset(b".jpeg .jpg".split())
JSON = b".json"
JOINING = tuple(RAW_SUFFIXES | SIDECAR_SUFFIXES)


class File(NamedTuple):
    """One name of a file on disk, with the file's date, inode and score.

    `score`: None for a sidecar or an unreadable image.
    """

    path: bytes
    mtime_ns: int
    device: int
    inode: int
    score: float | None
    deviation: float = 0.0


class Member(NamedTuple):
    """One inode of an entry: the date of the inode, and the first of the inode's names."""

    path: bytes
    mtime_ns: int


class Entry(NamedTuple):
    """One position in the order. All members of an entry get one common date, in whole seconds.

    `score`: the sort key, on any scale. It is not NaN.
    `deviation`: the uncertainty of the score, in the unit of the score.
    Each entry has an interval from `score` - `deviation` to `score` + `deviation`. If the intervals
    of two entries overlap, the entries are a tie. Tied entries
    keep their present order.
    """

    members: tuple[Member, ...]
    score: float
    deviation: float = 0.0

    @property
    def path(self) -> bytes:
        """The path of the first member.

        Entries with equal score and date are ordered by this path.
        """
        return self.members[0].path

    @property
    def second(self) -> int:
        """The present date of the entry, in seconds since 1970, rounded down.

        It is the date that most members have. If several dates are equally frequent, it is the
        newest of these dates.
        """
        if len(self.members) == 1:
            return self.members[0].mtime_ns // NANOSECONDS
        seconds = Counter(member.mtime_ns // NANOSECONDS for member in self.members)
        return max(seconds, key=lambda second: (seconds[second], second))


def basename_key(path: bytes) -> tuple[bytes, bytes]:
    """Return (folder, name without image and sidecar suffixes). Siblings have equal keys.

    For `a.jpg`, `a.CR2`, `a.xmp` and darktable's `a.CR2.xmp`, the name is `a`. For a JSON file such
    as `a.png.json`, the name is `a.png`, because the file describes only this image.
    """
    folder, _, name = path.rpartition(b"/")
    if suffix(name) == JSON:
        stem = name[: -len(JSON)]
        return folder, json_sidecars.image_of(stem) or stem
    if suffix(name) in SIDECAR_SUFFIXES:
        name = name[: -len(suffix(name))]
        if suffix(name) not in RAW_SUFFIXES | JPEG_SUFFIXES:
            return folder, name
    return folder, name[: len(name) - len(suffix(name))]


def keys_of(path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the keys of all sidecars that can belong to a file."""
    folder, _, name = path.rpartition(b"/")
    return basename_key(path), (folder, name)


def suffix(path: bytes) -> bytes:
    """Return the suffix of `path` in lower case.

    The suffix of `a.JPG` is `.jpg`; `a` and `.jpg` have an empty suffix.
    """
    stem, dot, end = path.rpartition(b"/")[2].rpartition(b".")
    return (dot + end).lower() if stem else b""


def group(files: Iterable[File], siblings: bool = True) -> list[Entry]:
    """Group files into entries. All names of one inode are in one entry.

    If `siblings` is true, a RAW, a JPEG and sidecars with a common basename are also in one entry.
    If there is no RAW and no sidecar, images with a common basename (`a.jpg`, `a.png`) stay in
    separate entries.

    The score of an entry is the score of its best JPEG. If no JPEG has a score, it is the score of
    the best member. An entry without a score is left out of the result, so its date does not
    change.

    A member of an entry is an inode. Touching the first name of an inode changes the date of all
    its names.
    """
    by_inode: dict[tuple[int, int], list[File]] = {}
    for file in sorted(files):
        by_inode.setdefault((file.device, file.inode), []).append(file)
    root = _families(by_inode) if siblings else {}
    groups: dict[tuple[int, int], list[File]] = {}
    for inode, names in by_inode.items():
        groups.setdefault(root.get(inode, inode), []).append(_representative(names))
    entries = []
    for files_of_entry in groups.values():
        path, mtime_ns, _, _, score, deviation = _representative(files_of_entry)
        if score is None:
            continue
        if len(files_of_entry) == 1:
            members: tuple[Member, ...] = (Member(path, mtime_ns),)
        else:
            members = tuple(Member(file.path, file.mtime_ns) for file in sorted(files_of_entry))
        entries.append(Entry(members, score, deviation))
    return entries


def _families(
    by_inode: dict[tuple[int, int], list[File]],
) -> dict[tuple[int, int], tuple[int, int]]:
    """Find the families: the inodes that must be in one entry because of a common basename.

    Return, for each inode that may be in a family, one inode that represents the family. If an
    inode has names in two folders, its families in both folders become one family. The method is
    union-find.
    """
    names = [file for names in by_inode.values() for file in names]
    keys = {basename_key(file.path) for file in names if file.path.lower().endswith(JOINING)}
    by_basename: dict[tuple[bytes, bytes], list[tuple[int, int]]] = {}
    for file in names if keys else ():
        for key in keys_of(file.path):
            if key in keys:
                by_basename.setdefault(key, []).append((file.device, file.inode))
    root = {inode: inode for family in by_basename.values() for inode in family}

    def find(inode: tuple[int, int]) -> tuple[int, int]:
        while root[inode] != inode:
            root[inode] = inode = root[root[inode]]
        return inode

    for family in by_basename.values():
        for inode in family:
            root[find(inode)] = find(family[0])
    return {inode: find(inode) for inode in root}


def _representative(files: list[File]) -> File:
    """Return the file whose score is the score of the entry.

    This file is the JPEG with the best score. If no JPEG has a score, it is the file with the best
    score.
    """
    if len(files) == 1:
        return files[0]
    return max(
        files,
        key=lambda file: (
            file.score is not None,
            suffix(file.path) in JPEG_SUFFIXES,
            file.score or 0.0,
        ),
    )
