"""Automatic backups of the store. A worker writes them, because a large store takes long to copy.

A backup is written only if at least `free_mb` MB of the disk remain free afterwards. The newest
`backups_kept` backups are kept, and older backups are deleted.
"""

import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from imgscore import paths
from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Conditions, Stage
from imgscore.store import backups
from imgscore.workers.messages import Answer, BackedUp, BackUp, Crashed, Refused

logger = logging.getLogger(__name__)

# The key in `EngineContext.notes` of the text about a backup that could not be written.
NOTE_KEY = "backup"


class BackupJob(Stage[BackUp]):
    """The stage that makes backups, one at a time."""

    handles = (BackUp,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._saved = self._copied = 0
        """`_saved`: the number of the last transaction in the newest backup. `_copied`: the number
        of the last transaction in the backup that is being written."""
        self._began = 0.0

    def due(self) -> None:
        """Request a backup.

        The request is dropped if the store has not changed since the last backup.
        """
        self._due = True

    def advance(self, conditions: Conditions) -> None:
        """If a backup is due and the training worker is free, let this worker write the backup."""
        store, daemon = self.ctx.store, self.ctx.config.daemon
        if conditions.paused or not self._due or self.ctx.pool.trainer_busy:
            return
        if store.last_transaction() == self._saved:
            self._due = False
            return
        needed = store.used_bytes() + daemon.free_mb * 10**6
        if store.free_bytes() < needed:
            self._missed(f"a backup needs {needed // 10**6} MB of free space; free some disk space")
            return
        folder = paths.backups_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            written = backups.partial(folder, datetime.now(UTC))
        except OSError as error:
            self._missed(f"{folder}: {error.strerror}; check the permissions of the folder")
            return
        self._copied, self._began = store.last_transaction(), conditions.now
        self._due = not self.ctx.pool.submit(BackUp(os.fsencode(written)))

    def take(self, task: BackUp, answer: Answer) -> None:
        """Finish the backup that the worker has written, or report why the backup failed."""
        match answer:
            case BackedUp(size):
                self._finish(Path(os.fsdecode(task.folder)), size)
            case Refused(reason, remedy):
                self._missed(f"{reason}; {remedy}")
            case Crashed(reason):
                self._missed(f"the worker {reason}; see the log")
            case _:
                self._due = True

    def _finish(self, written: Path, size: int) -> None:
        try:
            whole = backups.finish(written, self.ctx.config.daemon.backups_kept)
        except OSError as error:
            self._missed(f"{written}: {error.strerror}; check the permissions of the folder")
            return
        self._saved = self._copied
        self.ctx.notes.pop(NOTE_KEY, None)
        seconds = time.monotonic() - self._began
        logger.info("backup of %.1f MB written to %s in %.1f s", size / 1e6, whole, seconds)

    def _missed(self, why: str) -> None:
        """Store the reason why a backup failed. Log the reason only if it is new."""
        self._due = False
        text = f"no backup of the store: {why}"
        if self.ctx.notes.get(NOTE_KEY) != text:
            self.ctx.notes[NOTE_KEY] = text
            self.ctx.changed()
            logger.warning("%s", text)
