"""After a switch of the embedder: the files that lack a vector under the new one.

Until none is left, the head of the old embedder orders, and nothing is trained. A restart continues
where it stopped, because every new vector is in the store. Old vectors stay, so that switching back
costs nothing.
"""

import os
import time
from collections.abc import Iterable

from imgscore.engine.context import EngineContext
from imgscore.failpoints import step
from imgscore.store import name_vectors, settings, sightings, vectors
from imgscore.store.schema import FileAt
from imgscore.store.transaction import Txn

# The setting that names the embedder under which every sighting has a vector or a failure.
COMPLETE = "complete_embedder"


class Reembedding:
    """The files to embed again. Call `collect` before use, and when a root is online again."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._missing: set[bytes] = set()
        self._unreachable = False
        self._known = 0
        self._done = 0
        self._began = 0.0

    def collect(self) -> Iterable[bytes]:
        """Paths that exist and lack a vector. Costs nothing where the embedder is the same."""
        embedder, locate = self.ctx.embedder.id, self.ctx.watches.locate
        with self.ctx.store.read() as txn:
            if settings.get(txn, COMPLETE) == embedder:
                return ()
            present = [FileAt(file.digest, file.path) for file in sightings.iter_all(txn)]
            lacking = [file.path for file in present if self._lacks(txn, file)]
        self._missing = {path for path in lacking if os.path.lexists(path) and locate(path)}
        # On an unplugged disk, or in a folder that is no longer watched, a file cannot be embedded
        # now: the embedder is not complete without it.
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
        """Whether every file that can be reached has its vector."""
        return not self._missing

    def done(self, paths: Iterable[bytes]) -> None:
        """Take out files that have a vector or a failure now, or are gone."""
        if self._missing:
            before = len(self._missing)
            self._missing.difference_update(paths)
            self._done += before - len(self._missing)
            step("in switch")
            if not self._missing:
                self._mark()

    def _mark(self) -> None:
        """Store whether this embedder is complete."""
        complete = not self._missing and not self._unreachable
        value = self.ctx.embedder.id if complete else None
        self.ctx.store.commit(lambda txn: settings.put(txn, COMPLETE, value))
        self.ctx.changed()

    def progress(self) -> dict[str, int | float | None] | None:
        """Files done, files in all and seconds left; None where nothing is missing."""
        if not self._missing:
            return None
        left = len(self._missing)
        seconds = time.monotonic() - self._began
        return {
            "done": self._known - left,
            "total": self._known,
            "seconds_left": round(seconds / self._done * left, 1) if self._done else None,
        }
