"""Delete old thumbnails, and find the records that the store may delete."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from imgscore import paths
from imgscore.store import retention
from imgscore.workers.prune_messages import Pruned

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.prune_messages import Prune


def prune(context: Context, task: Prune) -> Pruned:
    """Delete old thumbnails, and return the records that the store may delete."""
    delete_oldest(task.thumbnails, task.max_bytes)
    with context.store.read() as txn:
        expired = retention.find(txn, time.time_ns())
    _delete_thumbnails(task.thumbnails, expired.images)
    return Pruned(expired)


def _delete_thumbnails(folder: bytes, digests: Iterable[bytes]) -> None:
    """Delete the thumbnails of images."""
    for digest in digests:
        with contextlib.suppress(OSError):  # Most images have no thumbnail.
            os.unlink(os.path.join(folder, paths.thumbnail(digest)))


def delete_oldest(folder: bytes, max_bytes: int) -> None:
    """Delete files until the folder contains at most `max_bytes`.

    The files that have not been opened for the longest time are deleted first.
    """
    try:
        with os.scandir(folder) as entries:
            files = [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        # The folder does not exist if there is no report yet, or if another process has deleted it.
        return
    files.sort(key=lambda file: max(file[1].st_atime_ns, file[1].st_mtime_ns))
    size = sum(status.st_blocks * 512 for _, status in files)
    for path, status in files:
        if size <= max_bytes:
            return
        try:
            os.unlink(path)
        except OSError:
            continue
        size -= status.st_blocks * 512
