"""The queue of paths whose files are missing, until the store records these files as gone."""

import time
from itertools import islice

from imgscore.engine import ingest
from imgscore.engine.context import EngineContext
from imgscore.engine.moved_files import MovedFiles
from imgscore.engine.stage import Effects

# The number of missing files in one commit. Each needs about 0.1 ms, and the daemon answers
# requests between two commits.
GONE_BATCH = 500
# The longest time, in seconds, for which a missing file waits until all folders are scanned and all
# new files are indexed. The missing file may be one of them, after a move. A scan of 100,000 files
# needs a few seconds.
MAX_WAIT_SECONDS = 20.0


class MissingFiles:
    """A queue of paths. The files of a deleted folder are recorded in several commits."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self.moved = MovedFiles(ctx)
        self._paths: dict[bytes, None] = {}
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, paths: list[bytes]) -> None:
        """Queue paths at which no file was found."""
        if not self._paths:
            self._since = time.monotonic()
        if paths:
            self.moved.add(paths)
        self._paths |= dict.fromkeys(paths)

    def ready_at(self, *, indexing: bool) -> float | None:
        """Return the time at which `record` has work, in monotonic seconds.

        None means that no file is missing. `indexing`: whether files are being found or indexed.
        """
        if not self._paths:
            return None
        return self._since + MAX_WAIT_SECONDS if indexing else self._since

    def record(self, *, indexing: bool) -> tuple[list[bytes], Effects]:
        """Record the first paths as gone. Return these paths, and the effects on other stages."""
        ready_at = self.ready_at(indexing=indexing)
        if ready_at is None or ready_at > time.monotonic():
            return [], Effects()
        if not self.ctx.store.flush_until_few():
            return [], Effects()
        paths = list(islice(self._paths, GONE_BATCH))
        effects = self.ctx.store.commit(lambda txn: ingest.mark_gone(txn, paths, self.ctx.watches))
        for path in paths:
            del self._paths[path]
        effects.trash_changed = True
        self.ctx.changed()
        return paths, effects
