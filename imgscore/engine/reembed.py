"""The list of files that have no vector after a switch to another embedder.

As long as this list is not empty, the head of the old embedder orders the files, and no head is
trained. Every new vector is stored soon, so the work continues after a restart of the daemon. Old
vectors stay in the store, so a switch back to the old embedder needs no work.
"""

import os
import time
from collections.abc import Iterable

from imgscore.engine.context import EngineContext
from imgscore.failpoints import step
from imgscore.store import name_vectors, settings, sightings, vectors
from imgscore.store.schema import FileAt
from imgscore.store.transaction import Txn

# The name of a setting in the store. The value is the id of an embedder. It means that every
# sighting has a vector or a failure under this embedder.
COMPLETE = "complete_embedder"


class Reembedding:
    """The files that must be embedded again.

    Call `collect` before the first use. If a watched folder was missing and exists again, call
    `collect` again.
    """

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._missing: set[bytes] = set()
        self._unreachable = False
        self._known = 0
        self._done = 0
        self._began = 0.0

    def collect(self) -> Iterable[bytes]:
        """Return the paths of existing files that have no vector under the embedder in use.

        If the store records that every file has a vector or a failure, no sighting is read.
        """
        embedder, locate = self.ctx.embedder.id, self.ctx.watches.locate
        with self.ctx.store.read() as txn:
            if settings.get(txn, COMPLETE) == embedder:
                return ()
            present = [FileAt(file.digest, file.path) for file in sightings.iter_all(txn)]
            lacking = [file.path for file in present if self._lacks(txn, file)]
        self._missing = {path for path in lacking if os.path.lexists(path) and locate(path)}
        # Some files cannot be embedded now, because they are on an unplugged disk or in a folder
        # that is no longer watched. While such files exist, the setting COMPLETE is not stored.
        self._unreachable = len(self._missing) < len(lacking)
        self._known, self._done, self._began = len(present), 0, time.monotonic()
        self._mark()
        return list(self._missing)

    def _lacks(self, txn: Txn, file: FileAt) -> bool:
        spec = self.ctx.embedder
        if not vectors.contains(txn, spec.image_embedder, file.digest):
            return True
        key = name_vectors.key(spec.image_embedder, spec.name_encoder, file.path)
        return key is not None and name_vectors.get(txn, key) is None

    def __contains__(self, path: bytes) -> bool:
        return path in self._missing

    @property
    def complete(self) -> bool:
        """Return whether every file that exists in a watched folder has a vector or a failure."""
        return not self._missing

    def done(self, paths: Iterable[bytes]) -> None:
        """Remove these files from the list.

        They now have a vector or a failure, or were deleted.
        """
        if self._missing:
            before = len(self._missing)
            self._missing.difference_update(paths)
            self._done += before - len(self._missing)
            step("in switch")
            if not self._missing:
                self._mark()

    def _mark(self) -> None:
        """Store whether every file has a vector or a failure under the embedder in use."""
        complete = not self._missing and not self._unreachable
        value = self.ctx.embedder.id if complete else None
        self.ctx.store.commit(lambda txn: settings.put(txn, COMPLETE, value))
        self.ctx.changed()

    def progress(self) -> dict[str, int | float | None] | None:
        """Return the number of finished files, the number of all files, and the seconds left.

        Return None if every file that exists has a new vector or a failure.
        """
        if not self._missing:
            return None
        left = len(self._missing)
        seconds = time.monotonic() - self._began
        return {
            "done": self._known - left,
            "total": self._known,
            "seconds_left": round(seconds / self._done * left, 1) if self._done else None,
        }
