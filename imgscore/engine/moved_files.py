"""Recognise files that were renamed: their content is known, so no worker has to read them.

The labels of a move must not depend on a worker, because a worker can be killed.
"""

import time
from collections.abc import Iterable

from imgscore.engine.context import EngineContext
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import failures, sightings, vectors
from imgscore.store.schema import Fingerprint
from imgscore.store.transaction import Txn
from imgscore.workers.messages import Answer, Crashed, FileIndexed, IndexFile

KEPT_SECONDS = 60.0
"""The time for which a vanished file is remembered, in seconds. The two events of a rename arrive
at the same time, but a folder with many files needs a while."""
_Key = tuple[int, int, int, int]


class MovedFiles:
    """The files that have vanished a moment ago, by inode, size and mtime. A rename keeps these."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._vanished: dict[_Key, tuple[float, bytes]] = {}
        """maps a file to the time at which it vanished, and to its digest"""

    def __len__(self) -> int:
        return len(self._vanished)

    def add(self, paths: Iterable[bytes]) -> None:
        """Remember the files that are missing at these paths."""
        now = time.monotonic()
        for key, (since, _) in list(self._vanished.items()):
            if now - since <= KEPT_SECONDS:
                break  # The other files have vanished later.
            del self._vanished[key]
        with self.ctx.store.read() as txn:
            for path in paths:
                known = sightings.find(txn, path)
                if known is not None and self._is_usable(txn, path, known.digest):
                    self._vanished.pop(_key(known.seen), None)
                    self._vanished[_key(known.seen)] = now, known.digest

    def find(self, seen: Fingerprint) -> FileIndexed | None:
        """Return the answer that a worker would send about a renamed file, or None."""
        _, digest = self._vanished.get(_key(seen), (0.0, None))
        return None if digest is None else FileIndexed(seen, digest)

    def instead_of(self, task: IndexFile, answer: Answer) -> Answer:
        """Return the answer about a renamed file if the worker has crashed, else `answer`.

        This reads all sightings, because the vanished file may not be known yet. Crashes are rare.
        """
        if not isinstance(answer, Crashed) or (seen := fingerprint_of(task.path)) is None:
            return answer
        with self.ctx.store.read() as txn:
            for known in sightings.of_inode(txn, seen.dev, seen.ino):
                is_same = _key(known.seen) == _key(seen)
                if is_same and self._is_usable(txn, known.path, known.digest):
                    return FileIndexed(seen, known.digest)
        return answer

    def _is_usable(self, txn: Txn, path: bytes, digest: bytes) -> bool:
        """Return whether the store contains all results that a worker would compute for a digest.

        A file name is part of the input of some embedders. A worker then has to read the new name.
        """
        embedder = self.ctx.embedder
        return (
            embedder.name_encoder is None
            and vectors.contains(txn, embedder.image_embedder, digest)
            and failures.find(txn, path) is None
        )


def _key(seen: Fingerprint) -> _Key:
    return seen.dev, seen.ino, seen.size, seen.mtime_ns
