"""Automatic backups: a worker writes them, for copying a large store takes long.

They never take the space that the daemon leaves free, and the last few are kept.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from imgscore import paths
from imgscore.engine.context import EngineContext
from imgscore.store import backups
from imgscore.workers.messages import Answer, BackedUp, BackUp, Crashed, Refused

logger = logging.getLogger(__name__)

# Under which subject the user is told that there is no new backup.
NOTE_KEY = "backup"


class BackupJob:
    """Knows whether a backup is due."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._due = False
        self._saved = self._copied = 0
        """the store's last transaction that is in a backup, and in the one that is being written"""

    def due(self) -> None:
        """It is time for a backup."""
        self._due = True

    def advance(self) -> None:
        """Hand out what is due; the worker that writes it may have other things to do first."""
        store, daemon = self.ctx.store, self.ctx.config.daemon
        if not self._due or self.ctx.pool.trainer_busy:
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
        self._copied = store.last_transaction()
        self._due = not self.ctx.pool.submit(BackUp(os.fsencode(written)))

    def take(self, task: BackUp, answer: Answer) -> None:
        """What has become of a backup."""
        match answer:
            case BackedUp():
                self._finish(Path(os.fsdecode(task.folder)))
            case Refused(reason, remedy):
                self._missed(f"{reason}; {remedy}")
            case Crashed(reason):
                self._missed(f"the worker {reason}; see the log")
            case _:
                self._due = True  # it had not begun

    def _finish(self, written: Path) -> None:
        try:
            whole = backups.finish(written, self.ctx.config.daemon.backups_kept)
        except OSError as error:
            self._missed(f"{written}: {error.strerror}; check its permissions")
            return
        self._saved = self._copied
        self.ctx.notes.pop(NOTE_KEY, None)
        logger.info("the store is backed up in %s", whole)

    def _missed(self, why: str) -> None:
        """The user hears it once; the next one may do better."""
        self._due = False
        text = f"no backup of the store: {why}"
        if self.ctx.notes.get(NOTE_KEY) != text:
            self.ctx.notes[NOTE_KEY] = text
            self.ctx.changed()
            logger.warning("%s", text)
