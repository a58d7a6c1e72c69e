"""Make groups of all images of the index from the links in the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from imgscore.groups.shots import shot_of
from imgscore.groups.split import components, split
from imgscore.store import similarity, traits, vectors
from imgscore.store.similarity import IndexState
from imgscore.workers.group_graph import Graph, grouped, unlinked_pairs
from imgscore.workers.group_messages import FoundGroup, GroupsFound
from imgscore.workers.grouping import ANSWER_BATCH, batches, blocks_of

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.store.pair_blocks import PairBlock
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import FindGroups


def find_groups(context: Context, task: FindGroups) -> Iterator[GroupsFound]:
    """Yield all groups in parts, or the pairs that must be compared first."""
    with context.store.read() as txn:
        graph = Graph(similarity.iter_links(txn))
        missing = [] if task.completed else list(missing_pairs(graph))
        for block in missing:
            yield GroupsFound(last=False, blocks=[block])
        if missing:
            yield GroupsFound(last=True)
        else:
            yield from groups_of(txn, context.spec, graph, list(similarity.indexed(txn)))


def missing_pairs(graph: Graph) -> Iterator[PairBlock]:
    """Yield the pairs of images that are linked only through others."""
    missing = unlinked_pairs(graph)
    digests = sorted({digest for pair in missing for digest in pair})
    row_of = {digest: row for row, digest in enumerate(digests)}
    rows = [(row_of[first], row_of[second]) for first, second in missing]
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    yield from blocks_of(digests, pairs, _in_parts(graph, row_of))


def _in_parts(graph: Graph, row_of: dict[bytes, int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the place of each row if the rows of a connected part stand together, int64 [n]."""
    linked = [digest for part in components(graph.strengths) for digest in part if digest in row_of]
    places = np.empty(len(row_of), np.int64)
    places[[row_of[digest] for digest in linked]] = np.arange(len(linked))
    return places


def groups_of(txn: Txn, spec: Spec, graph: Graph, digests: list[bytes]) -> Iterator[GroupsFound]:
    """Yield the groups of all images of the index, `digests`, and the state of the index.

    Each image is in `regrouped` once, also an image without a group.
    """
    regrouped: list[bytes] = []
    groups: list[FoundGroup] = []
    for part in components(graph.strengths):
        regrouped += part
        shots = {digest: shot_of(traits.get(txn, digest)) for digest in part}
        groups += grouped(graph, split(part), shots)
        if len(regrouped) >= ANSWER_BATCH:
            yield GroupsFound(last=False, done=regrouped, regrouped=regrouped, groups=groups)
            regrouped, groups = [], []
    yield GroupsFound(last=False, done=regrouped, regrouped=regrouped, groups=groups)
    for batch in batches(name for name in digests if name not in graph.strengths):
        yield GroupsFound(last=False, done=batch, regrouped=batch)
    # Count also the images without traits, which the index leaves out. Otherwise they would seem to
    # be new, and all images would be compared again without end.
    count = vectors.count(txn, spec.image_embedder)
    yield GroupsFound(last=True, state=IndexState(spec.image_embedder, count))
