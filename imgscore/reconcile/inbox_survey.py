"""Lists an inbox once, before it is watched: its images, its folders, and other files.

A survey reads no file.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

from imgscore.reconcile.hard_links import REASON, LinkCounter
from imgscore.reconcile.walk import Listing, listings


class Survey(NamedTuple):
    """The contents of an inbox."""

    images: dict[bytes, list[bytes]]
    """the names of the images, by folder; a folder without images has an empty list"""
    left_alone: Counter[str]
    """the number of files that imgscore leaves alone, by reason"""

    def outside(self, *folders: bytes) -> list[bytes]:
        """Return the paths of the images that are not in one of these folders or below."""
        excluded = tuple(folder + b"/" for folder in folders)
        return [
            os.path.join(folder, name)
            for folder, names in self.images.items()
            if not (folder + b"/").startswith(excluded)
            for name in names
        ]

    def count_in(self, folder: bytes) -> int:
        """Return the number of images in a folder and below."""
        start = folder + b"/"
        return sum(
            len(names) for path, names in self.images.items() if (path + b"/").startswith(start)
        )


def survey(inbox: bytes) -> Survey:
    """Return the contents of an inbox. A folder that cannot be listed is left out."""
    images: dict[bytes, list[bytes]] = {}
    left_alone: Counter[str] = Counter()
    links = LinkCounter()
    for part in listings(inbox):
        if isinstance(part, Listing):
            images.setdefault(part.folder, []).extend(part.names)
            left_alone += part.left_alone
            links.add(part)
    left_alone[REASON] = sum(links.by_folder().values())
    return Survey(images, +left_alone)
