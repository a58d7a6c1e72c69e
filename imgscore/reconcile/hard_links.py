"""Find files that have hard links outside of the known folders.

All hard links of a file share one date. If one of them is outside, for example in an archive, a
change of the date would also change the archive. imgscore sets no date of such a file.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from imgscore.links import hard_folders
from imgscore.reconcile.walk import Listing

Inode = tuple[int, int]
"""A device and an inode on it."""
REASON = "hard links"
"""The name of the files with links outside, in the counts of files that are left alone."""


def linked_outside(paths: Mapping[Inode, Iterable[bytes]]) -> set[Inode]:
    """Return the inodes that have more hard links than known paths.

    `paths`: the known paths of each inode. A path that is no longer a link of the inode is ignored.
    The hard links in folders of links of imgscore are known, too.
    """
    outside: dict[Inode, int] = {}
    for inode, known in paths.items():
        links = total = 0
        for path in known:
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if (status.st_dev, status.st_ino) == inode:
                links, total = links + 1, status.st_nlink
                if total == 1:
                    break
        if links < total:
            outside[inode] = total - links
    return set(_without_own(outside))


def _without_own(missing: Mapping[Inode, int]) -> Iterator[Inode]:
    """Yield the inodes that have more missing links than imgscore has made in folders of links."""
    own = hard_folders.counts(missing)
    return (inode for inode, count in missing.items() if count > own[inode])


class LinkCounter:
    """Counts the files with hard links outside of the listed folders, by folder."""

    def __init__(self) -> None:
        self._missing: dict[Inode, tuple[int, bytes]] = {}
        """the number of links that were not listed yet, and a folder of the file, by inode"""

    def add(self, listing: Listing) -> None:
        """Add the files of one folder."""
        for status in listing.stats:
            if status.st_nlink > 1:
                inode = status.st_dev, status.st_ino
                missing, _ = self._missing.get(inode, (status.st_nlink, listing.folder))
                self._missing[inode] = missing - 1, listing.folder

    def by_folder(self) -> Counter[bytes]:
        """Return the number of files with links outside, by folder."""
        missing = {inode: count for inode, (count, _) in self._missing.items() if count > 0}
        return Counter(self._missing[inode][1] for inode in _without_own(missing))
