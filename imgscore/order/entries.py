"""What an order is made of: entries. Names of one inode, and RAW + JPEG + sidecar, are one entry.

Pure: takes what was seen on disk, returns entries; reads nothing itself.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

NANOSECONDS = 1_000_000_000

RAW_SUFFIXES = frozenset(
    b".3fr .arw .cr2 .cr3 .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2"
    b" .rwl .sr2 .srf .srw .x3f".split()
)
SIDECAR_SUFFIXES = frozenset(b".aae .cos .dop .pp3 .thm .xmp".split())
JPEG_SUFFIXES = frozenset(b".jpeg .jpg".split())
_JOINING = tuple(RAW_SUFFIXES | SIDECAR_SUFFIXES)


class File(NamedTuple):
    """One name as seen on disk. `score` is None where there is none (a sidecar, a broken image)."""

    path: bytes
    mtime_ns: int
    device: int
    inode: int
    score: float | None
    deviation: float = 0.0


class Member(NamedTuple):
    """One inode of an entry, under the first of its names."""

    path: bytes
    mtime_ns: int


class Entry(NamedTuple):
    """One place in the order. All members share one mtime, to the second.

    `score` is what is sorted by (any scale, not NaN), `deviation` its noise in the same units:
    two entries whose score ± deviation overlap are a tie and keep the order they stand in.
    """

    members: tuple[Member, ...]
    score: float
    deviation: float = 0.0

    @property
    def path(self) -> bytes:
        """The name that decides where nothing else does."""
        return self.members[0].path

    @property
    def second(self) -> int:
        """Where it stands: the second (floor) of most members, of those the newest."""
        if len(self.members) == 1:
            return self.members[0].mtime_ns // NANOSECONDS
        seconds = Counter(member.mtime_ns // NANOSECONDS for member in self.members)
        return max(seconds, key=lambda second: (seconds[second], second))


def basename_key(path: bytes) -> tuple[bytes, bytes]:
    """(folder, name without its image and sidecar suffixes): what siblings have in common.

    `a.jpg`, `a.CR2`, `a.xmp` and darktable's `a.CR2.xmp` all give `a`.
    """
    folder, _, name = path.rpartition(b"/")
    if suffix(name) in SIDECAR_SUFFIXES:
        name = name[: -len(suffix(name))]
        if suffix(name) not in RAW_SUFFIXES | JPEG_SUFFIXES:
            return folder, name
    return folder, name[: len(name) - len(suffix(name))]


def suffix(path: bytes) -> bytes:
    """`.jpg` of `a.JPG`; empty where there is none, or nothing before it."""
    stem, dot, end = path.rpartition(b"/")[2].rpartition(b".")
    return (dot + end).lower() if stem else b""


def group(files: Iterable[File], siblings: bool = True) -> list[Entry]:
    """Join names of one inode, and (if `siblings`) files of one basename: RAW + JPEG + sidecar.

    Two plain images that only share a basename (`a.jpg`, `a.png`) stay apart. The score of an entry
    is its best-scored JPEG's, else its best-scored member's; an entry without any score is left
    out, so it keeps its date. A member is an inode: touching its first name touches all its names.
    """
    by_inode: dict[tuple[int, int], list[File]] = {}
    for file in sorted(files):
        by_inode.setdefault((file.device, file.inode), []).append(file)
    root = _families(by_inode) if siblings else {}
    groups: dict[tuple[int, int], list[File]] = {}
    for inode, names in by_inode.items():
        groups.setdefault(root.get(inode, inode), []).append(_speaker(names))
    entries = []
    for members in groups.values():
        path, mtime_ns, _, _, score, deviation = _speaker(members)
        if score is None:
            continue
        stand = [(path, mtime_ns)] if len(members) == 1 else [one[:2] for one in sorted(members)]
        entries.append(Entry(tuple(Member(*one) for one in stand), score, deviation))
    return entries


def _families(
    by_inode: dict[tuple[int, int], list[File]],
) -> dict[tuple[int, int], tuple[int, int]]:
    """One inode of its family for each inode that has siblings; it may have some in two folders."""
    names = [file for names in by_inode.values() for file in names]
    keys = {basename_key(file.path) for file in names if file.path.lower().endswith(_JOINING)}
    by_basename: dict[tuple[bytes, bytes], list[tuple[int, int]]] = {}
    for file in names if keys else ():
        if (key := basename_key(file.path)) in keys:
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


def _speaker(files: list[File]) -> File:
    """Whose score counts: a scored JPEG's before any other score, the best before the rest."""
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
