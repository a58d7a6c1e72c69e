"""After a switch of the embedder: which files still lack a vector under the one in use.

Until none is left, the head of the embedder before goes on ordering and nothing is trained. What
is done is in the store, so that a restart goes on; old vectors stay, so that a switch back is free.
"""

import os
import time
from collections.abc import Iterable

from imgscore.engine.context import EngineContext
from imgscore.failpoints import step
from imgscore.store import name_vectors, settings, sightings, vectors
from imgscore.store.transaction import Txn

# The embedder under which every file that was ever seen has a vector, or a failure.
COMPLETE = "complete_embedder"


class Reembedding:
    """The files to embed again. Call `collect` before use, and whenever a disk has come back."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._missing: set[bytes] = set()
        self._unreachable = False
        self._known = 0
        self._done = 0
        self._began = 0.0

    def collect(self) -> Iterable[bytes]:
        """Paths that are there and lack a vector. Costs nothing where the embedder is the same."""
        embedder, locate = self.ctx.embedder.id, self.ctx.watches.locate
        with self.ctx.store.read() as txn:
            if settings.get(txn, COMPLETE) == embedder:
                return ()
            present = [(one.path, one.digest) for one in sightings.iter_all(txn)]
            lacking = [path for path, one in present if self._lacks(txn, path, one)]
        self._missing = {path for path in lacking if os.path.lexists(path) and locate(path)}
        # Behind a disk that is unplugged, or in a folder that is not watched now: nothing is
        # inferred, nobody looks there, and the pass is not over.
        self._unreachable = len(self._missing) < len(lacking)
        self._known, self._done, self._began = len(present), 0, time.monotonic()
        self._mark()
        return list(self._missing)

    def _lacks(self, txn: Txn, path: bytes, digest: bytes) -> bool:
        spec = self.ctx.embedder
        if not vectors.contains(txn, spec.image_embedder, digest):
            return True
        key = name_vectors.key(spec.image_embedder, spec.name_encoder, path)
        return key is not None and name_vectors.get(txn, key) is None

    def __contains__(self, path: bytes) -> bool:
        return path in self._missing

    @property
    def complete(self) -> bool:
        """Whether every file that can be reached has its vector."""
        return not self._missing

    def done(self, paths: Iterable[bytes]) -> None:
        """These have a vector now, or a failure, or are gone."""
        if self._missing:
            before = len(self._missing)
            self._missing.difference_update(paths)
            self._done += before - len(self._missing)
            step("in switch")
            if not self._missing:
                self._mark()

    def _mark(self) -> None:
        """Write down under which embedder everything is there; nothing, while something lacks."""
        whole = not self._missing and not self._unreachable
        value = self.ctx.embedder.id if whole else None
        self.ctx.store.commit(lambda txn: settings.put(txn, COMPLETE, value))
        self.ctx.changed()

    def progress(self) -> dict[str, int | float | None] | None:
        """How far it is: files done, files in all, seconds left; None when it is over."""
        if not self._missing:
            return None
        left = len(self._missing)
        took = time.monotonic() - self._began
        return {
            "done": self._known - left,
            "total": self._known,
            "seconds_left": round(took / self._done * left, 1) if self._done else None,
        }
