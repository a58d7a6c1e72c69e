"""The paths at which files are missing, until the store has recorded that."""

from itertools import islice

from imgscore.engine import ingest
from imgscore.engine.context import EngineContext
from imgscore.engine.stage import Effects

# The number of missing files in one commit. Each needs about 0.1 ms, and the daemon answers
# requests between two commits.
GONE_BATCH = 500


class MissingFiles:
    """A queue of paths. The files of a deleted folder are recorded in several commits."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._paths: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, paths: list[bytes]) -> None:
        """Queue paths at which no file was found."""
        self._paths |= dict.fromkeys(paths)

    def record(self) -> tuple[list[bytes], Effects]:
        """Record the first paths as gone. Return these paths, and the effects on other stages."""
        paths = list(islice(self._paths, GONE_BATCH))
        if not paths:
            return [], Effects()
        effects = self.ctx.store.commit(lambda txn: ingest.mark_gone(txn, paths, self.ctx.watches))
        for path in paths:
            del self._paths[path]
        effects.trash_changed = True
        self.ctx.changed()
        return paths, effects
