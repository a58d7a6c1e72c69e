"""What has had its time: thumbnails beyond a size, and what the store need not keep."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from imgscore.store import retention
from imgscore.workers.messages import Pruned

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.messages import Prune


def prune(context: Context, task: Prune) -> Pruned:
    """Delete the thumbnails that nobody has looked at for longest; name what may be forgotten."""
    thin_out(task.thumbnails, task.most_bytes)
    with context.store.read() as txn:
        return Pruned(*retention.find(txn, time.time_ns()))


def thin_out(folder: bytes, most: int) -> None:
    """Delete files, those first that were read or written least lately, until `most` bytes stay."""
    try:
        with os.scandir(folder) as entries:
            stats = [(one.path, one.stat(follow_symlinks=False)) for one in entries]
    except OSError:
        return  # there is no report yet, or somebody else tidies
    stats.sort(key=lambda one: max(one[1].st_atime_ns, one[1].st_mtime_ns))
    size = sum(status.st_blocks * 512 for _, status in stats)
    for path, status in stats:
        if size <= most:
            return
        try:
            os.unlink(path)
        except OSError:
            continue
        size -= status.st_blocks * 512
