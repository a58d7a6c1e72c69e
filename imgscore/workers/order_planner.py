"""The plans of large inboxes in a worker, and the data that can be loaded before the scores exist.

A training needs one CPU for seconds. Meanwhile the worker that will score and plan loads the files
of the inboxes (PrepareOrder). After the training it scores the images, and plans the inboxes while
the daemon stores the scores. A plan is used only if the tables that it depends on have not changed.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.registry import Spec
from imgscore.store import settings, vectors
from imgscore.store.schema import Ties
from imgscore.store.snapshot import Snapshot
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.inbox_files import InboxFiles, load
from imgscore.workers.large_plan import (
    FileScores,
    LargePlan,
    RankedGroups,
    make_plan,
    rank_groups,
    scores_of,
    stored_scores,
)
from imgscore.workers.plan_inbox import without_gc

FILE_TABLES = ("sightings",)
GROUP_TABLES = ("groups", "grouped", "qualities", "traits", "labels")
"""The tables on which the files of an inbox, and the ranks in its groups, depend."""


@dataclass(eq=False)
class _Prepared:
    """The files, groups and plan of an inbox, from the state of the tables in the snapshot."""

    watch: Watch
    exclude: frozenset[bytes]
    files: InboxFiles
    ranked: RankedGroups | None = None
    ready: tuple[str, Ties | None, LargePlan] | None = None
    """a plan: the head whose scores it uses, the ties that were stored, and the plan"""


class OrderPlanner:
    """Makes the plans of large inboxes. Used as a context manager, it ends its snapshot.

    `spec`: the embedder in use; None means that nothing is known about vectors.
    """

    def __init__(self, store: Store, spec: Spec | None = None) -> None:
        self._store, self._spec = store, spec
        self._snapshot: Snapshot | None = None
        self._prepared: dict[bytes, _Prepared] = {}

    def prepare(self, watch: Watch, exclude: Collection[bytes] = ()) -> None:
        """Load the files of an inbox, and rank the files in its groups."""
        with without_gc(), self._store.read() as txn:
            prepared = self._load(txn, watch, frozenset(exclude))
            if prepared.ranked is None and self._spec is not None:
                present = self._have_vectors(self._spec, txn, prepared.files)
                prepared.ranked = rank_groups(self._fixed, watch, prepared.files, present)

    def digests(self, inboxes: Collection[bytes]) -> list[bytes] | None:
        """Return the digests of inboxes that are prepared; None if one of them is not prepared."""
        with self._store.read() as txn:
            if self._snapshot is None or self._snapshot.has_changed(txn, FILE_TABLES):
                return None
        if not self._prepared.keys() >= {*inboxes}:
            return None
        chosen = [self._prepared[inbox].files for inbox in inboxes]
        return [files.digest(number) for files in chosen for number in range(len(files))]

    def plan_ahead(self, taste: str, head: str, known: NDArray[Any]) -> None:
        """Plan the prepared inboxes of a taste by scores that are not stored yet.

        `known`: the scores of all files of these inboxes, as an array of `large_plan.SCORE`.
        """
        with without_gc(), self._store.read() as txn:
            for prepared in [*self._prepared.values()]:
                watch = prepared.watch
                if watch.taste != taste:
                    continue
                current = self._load(txn, watch, prepared.exclude)
                # The dates may have changed since the preparation. `known` lacks new images.
                if current.files.has_images_of(prepared.files):
                    ties = settings.ties(txn, watch.inbox, head)
                    found = scores_of(current.files, known)
                    current.ready = head, ties, self._make(txn, current, head, found, ties)

    def plan(self, watch: Watch, head: str, exclude: Collection[bytes] = ()) -> LargePlan:
        """Plan the touches that bring an inbox into order."""
        with without_gc(), self._store.read() as txn:
            prepared = self._load(txn, watch, frozenset(exclude))
            ties = settings.ties(txn, watch.inbox, head)
            if prepared.ready is not None and prepared.ready[:2] == (head, ties):
                return prepared.ready[2]
            found = scores_of(prepared.files, stored_scores(txn, watch.taste, head))
            return self._make(txn, prepared, head, found, ties)

    def _make(
        self, txn: Txn, prepared: _Prepared, head: str, found: FileScores, ties: Ties | None
    ) -> LargePlan:
        now_ns = time.time_ns()
        return make_plan(
            txn, prepared.watch, head, prepared.files, found, ties, prepared.ranked, now_ns
        )

    def _load(self, txn: Txn, watch: Watch, exclude: frozenset[bytes]) -> _Prepared:
        """Return the files of an inbox, and the ranks in its groups if they are known.

        All that has changed is loaded again.
        """
        if self._snapshot is None or self._snapshot.has_changed(txn, FILE_TABLES + GROUP_TABLES):
            self._follow()
        prepared = self._prepared.get(watch.inbox)
        if prepared is None or not self._is_current(prepared, watch, exclude):
            prepared = _Prepared(watch, exclude, load(self._fixed, watch, exclude))
            self._prepared[watch.inbox] = prepared
        return prepared

    @property
    def _fixed(self) -> Txn:
        """The transaction of the snapshot."""
        assert self._snapshot is not None and self._snapshot.txn is not None
        return self._snapshot.txn

    def _follow(self) -> None:
        """Begin a new snapshot, and keep what has not changed since the former one."""
        before, self._snapshot = self._snapshot, self._store.snapshot()
        if before is None or before.has_changed(self._fixed, FILE_TABLES):
            self._prepared.clear()
        for prepared in self._prepared.values():
            prepared.ranked = prepared.ready = None
        if before is not None:
            before.close()

    def _is_current(self, prepared: _Prepared, watch: Watch, exclude: frozenset[bytes]) -> bool:
        is_same = (prepared.watch, prepared.exclude) == (watch, exclude)
        return is_same and prepared.files.are_current

    def _have_vectors(self, spec: Spec, txn: Txn, files: InboxFiles) -> NDArray[np.bool_]:
        """Return whether each file is likely to get a score: it has a vector."""
        has_vector = vectors.is_embedded(txn, spec.image_embedder)
        found = [has_vector(files.digest(number)) for number in range(len(files))]
        return np.array(found, np.bool_) & ~files.excluded

    def __enter__(self) -> OrderPlanner:
        return self

    def __exit__(self, *_: object) -> None:
        self._prepared.clear()
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None
