"""Automatic backups. A worker writes them, because copying a large store takes long.

They never take the space that the daemon leaves free; `backups_kept` of them are kept.
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

# The subject of the note that there is no new backup.
NOTE_KEY = "backup"


class BackupJob(Stage[BackUp]):
    """The backup that is due, or being written."""

    handles = (BackUp,)

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._saved = self._copied = 0
        """the last transactions in the newest backup, and in the backup that is being written"""
        self._began = 0.0

    def due(self) -> None:
        """Write a backup soon, unless the store has not changed since the last."""
        self._due = True

    def advance(self, conditions: Conditions) -> None:
        """Hand out a backup that is due, once the training worker is free."""
        store, daemon = self.ctx.store, self.ctx.config.daemon
        if conditions.paused or not self._due or self.ctx.pool.trainer_busy:
            return
        if store.last_transaction() == self._saved:
            self._due = False
            return
        needed = store.used_bytes() + daemon.free_mb * 10**6
        if store.free_bytes() < needed:
            self._missed(f"{needed // 10**6} MB have to be free for it; free some")
            return
        folder = paths.backups_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            written = backups.partial(folder, datetime.now(UTC))
        except OSError as error:
            self._missed(f"{folder}: {error.strerror}; check its permissions")
            return
        self._copied, self._began = store.last_transaction(), conditions.now
        self._due = not self.ctx.pool.submit(BackUp(os.fsencode(written)))

    def take(self, task: BackUp, answer: Answer) -> None:
        """Finish a backup, or note why there is none."""
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
            self._missed(f"{written}: {error.strerror}; check its permissions")
            return
        self._saved = self._copied
        self.ctx.notes.pop(NOTE_KEY, None)
        seconds = time.monotonic() - self._began
        logger.info("backup of %.1f MB written to %s in %.1f s", size / 1e6, whole, seconds)

    def _missed(self, why: str) -> None:
        """Note why there is no backup, and log it once; the next may succeed."""
        self._due = False
        text = f"no backup of the store: {why}"
        if self.ctx.notes.get(NOTE_KEY) != text:
            self.ctx.notes[NOTE_KEY] = text
            self.ctx.changed()
            logger.warning("%s", text)
