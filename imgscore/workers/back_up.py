"""Copy the store and the heads into a backup folder."""

import os
from pathlib import Path

from imgscore import failpoints
from imgscore.store import backups
from imgscore.workers.context import Context
from imgscore.workers.messages import BackedUp, BackUp


def back_up(context: Context, task: BackUp) -> BackedUp:
    """Write the backup and return its size in bytes."""
    size = backups.write(context.store, context.heads_folder, Path(os.fsdecode(task.folder)))
    failpoints.step("in backup")
    return BackedUp(size)
