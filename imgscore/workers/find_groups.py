"""Make a new index of all images of the store, and find their groups."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from imgscore.groups.find import unit_rows
from imgscore.groups.nearest import SKETCH_NUMBERS, Frame, make_frame, nearest_pairs
from imgscore.groups.shots import BURST_SECONDS
from imgscore.groups.split import components, split
from imgscore.store import similarity, traits, vectors
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.similarity import IndexState, Link
from imgscore.workers.group_graph import Graph, grouped, unlinked_pairs
from imgscore.workers.group_messages import FoundGroup, GroupsFound
from imgscore.workers.grouping import (
    MAX_FRAMES,
    PART_ROWS,
    Library,
    batches,
    entries_of,
    fine_grids,
    images_of,
    linked,
    matrix,
    pack_frame,
    width_of,
)

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.groups.find import Floats, Images, Ints
    from imgscore.images.traits import Traits
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import FindGroups

FRAME_SAMPLE = 20_000
"""The largest number of images from which pivots are chosen."""
PAIR_BATCH = 200_000
"""The number of pairs that are compared between two reports of progress."""


def find_groups(context: Context, task: FindGroups) -> Iterator[GroupsFound]:
    """Compare all images, and yield the index and the groups in parts."""
    with context.store.read() as txn:
        yield from _of_all(txn, context)


def _of_all(txn: Txn, context: Context) -> Iterator[GroupsFound]:
    spec = context.spec
    count = vectors.count(txn, spec.image_embedder)
    frame = _new_frame(txn, spec, count)
    yield GroupsFound(last=False, first=True, entries=[similarity.frame_entry(pack_frame(frame))])
    library, sketches = _load_all(txn, spec, frame)
    cells = frame.cells(sketches)
    yield from _entries(library, sketches, cells)
    pairs = np.concatenate([nearest_pairs(sketches, cells), _burst_pairs(library.images)])
    pairs = np.unique(pairs, axis=0)
    found: list[Link] = []
    for start in range(0, len(pairs), PAIR_BATCH):
        found += linked(library, pairs[start : start + PAIR_BATCH])
        context.on_progress(min(start + PAIR_BATCH, len(pairs)), len(pairs))
    graph = Graph(found)
    for added in _completed(library, graph):
        graph.add(added)
        found.append(added)
    for batch in batches(found):
        yield GroupsFound(last=False, links=batch)
    yield from _groups_of_all(library, graph)
    yield GroupsFound(last=True, state=IndexState(spec.image_embedder, count))


def _completed(library: Library, graph: Graph) -> list[Link]:
    """Compare the images that are linked only through others, and return the new links."""
    missing = unlinked_pairs(graph)
    wanted = {digest for pair in missing for digest in pair}
    row_of = {digest: row for row, digest in enumerate(library.digests) if digest in wanted}
    rows = [(row_of[first], row_of[second]) for first, second in missing]
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    found: list[Link] = []
    for start in range(0, len(pairs), PAIR_BATCH):
        found += linked(library, pairs[start : start + PAIR_BATCH])
    return found


def _new_frame(txn: Txn, spec: Spec, count: int) -> Frame:
    step = max(1, -(-count // FRAME_SAMPLE))
    wanted = islice(vectors.digests(txn, spec.image_embedder), None, None, step)
    found = [value for _, value in vectors.get_many(txn, spec.image_embedder, wanted)]
    return make_frame(unit_rows(matrix(found, spec), width_of(spec)), count)


def _load_all(txn: Txn, spec: Spec, frame: Frame) -> tuple[Library, Floats]:
    """Return all images that have a vector and traits, and their sketches."""
    digests: list[bytes] = []
    rows = [np.empty((0, width_of(spec)), np.float16)]
    sketches = [np.empty((0, SKETCH_NUMBERS), np.float32)]
    known: list[Traits] = []
    for names, values in vectors.blocks(txn, spec.image_embedder):
        block = matrix([values], spec)
        listed = [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
        kept = []
        for at, digest in enumerate(listed):
            found = traits.get(txn, digest)
            if found is not None:
                kept.append(at)
                known.append(found)
                digests.append(digest)
        units = unit_rows(block[kept], width_of(spec))
        rows.append(units.astype(np.float16))
        sketches.append(frame.sketches(rows[-1].astype(np.float32)))
    images = images_of(np.concatenate(rows), known, fine_grids(txn, digests))
    return Library(digests, images), np.concatenate(sketches)


def _entries(library: Library, sketches: Floats, cells: Ints) -> Iterator[GroupsFound]:
    for rows in batches(range(len(library.digests))):
        entries = [
            entry
            for row in rows
            for entry in entries_of(
                library.digests[row], int(cells[row, 0]), sketches[row], library.images.shots[row]
            )
        ]
        yield GroupsFound(last=False, entries=entries)


def _burst_pairs(images: Images) -> Ints:
    """Return the pairs of photographs that one camera took within seconds, int64 [p, 2]."""
    taken = sorted(
        (shot.camera, shot.seconds, row)
        for row, shot in enumerate(images.shots)
        if shot.seconds == shot.seconds
    )
    pairs: list[tuple[int, int]] = []
    for at, (camera, seconds, row) in enumerate(taken):
        for other in taken[at + 1 : at + 1 + MAX_FRAMES]:
            if other[0] != camera or other[1] - seconds > BURST_SECONDS:
                break
            pairs.append((min(row, other[2]), max(row, other[2])))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _groups_of_all(library: Library, graph: Graph) -> Iterator[GroupsFound]:
    """Yield the groups. Each image is in `regrouped` once, also an image without a group."""
    shots = dict(zip(library.digests, library.images.shots, strict=True))
    regrouped: list[bytes] = []
    groups: list[FoundGroup] = []
    for part in components(graph.strengths):
        regrouped += part
        groups += grouped(graph, split(part), shots)
        if len(regrouped) >= PART_ROWS:
            yield GroupsFound(last=False, done=regrouped, regrouped=regrouped, groups=groups)
            regrouped, groups = [], []
    yield GroupsFound(last=False, done=regrouped, regrouped=regrouped, groups=groups)
    for batch in batches([name for name in library.digests if name not in graph.strengths]):
        yield GroupsFound(last=False, done=batch, regrouped=batch)
