"""Replaces folders in the arguments of `score` and `label` by the image files in these folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from imgscore.errors import UsageError
from imgscore.verbs.base import absolute_path, display_path

if TYPE_CHECKING:
    from imgscore.reconcile.walk import Listing, Unlisted

STEP_FILES = 5000
"""The number of files that are listed before the engine takes a step. Listing 5,000 files takes
about 0.05 s, and a daemon answers other clients in between."""


def images_of(files: list[str], *, recursive: bool) -> Generator[None, None, list[bytes]]:
    """Return the paths of `files`, in which the images of each folder replace the folder.

    The images of a folder are sorted by their paths. `recursive`: whether subfolders are included.
    Hidden files and folders are left out, but `files` may contain them. Yield None if the engine
    has to take a step. Raises UsageError if a folder cannot be listed or contains no image.
    """
    paths: list[bytes] = []
    for file in files:
        path = absolute_path(file)
        if _is_folder(path):
            paths += yield from _images_in(path, recursive=recursive)
        else:
            paths.append(path)
    return paths


def _is_folder(path: bytes) -> bool:
    """Return whether there is a folder at `path`. A link to a folder counts as this folder."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False  # The file is reported later, with the reason why it cannot be read.


def _images_in(folder: bytes, *, recursive: bool) -> Generator[None, None, list[bytes]]:
    from imgscore.reconcile.walk import Unlisted

    root = os.path.realpath(folder)
    images: list[bytes] = []
    steps = 0
    for part in _listings(root, recursive=recursive):
        if isinstance(part, Unlisted):
            if part.path == root:
                raise UsageError(
                    f"{display_path(root)} cannot be listed: {part.reason}",
                    "check the permissions of the folder",
                )
            continue
        images += [os.path.join(part.folder, name) for name in part.names]
        if len(images) // STEP_FILES > steps:
            steps = len(images) // STEP_FILES
            yield None
    if not images:
        raise UsageError(
            f"{display_path(root)} contains no image",
            "check the name of the folder"
            if recursive
            else "to include the images in its subfolders: --recursive",
        )
    return sorted(images)


def _listings(root: bytes, *, recursive: bool) -> Iterator[Listing | Unlisted]:
    from imgscore.reconcile.walk import listings

    for part in listings(root):
        # The parts of the root come first, before those of its subfolders.
        if not recursive and getattr(part, "folder", root) != root:
            return
        yield part
