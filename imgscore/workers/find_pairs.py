"""Make a new index of all images of the store, and choose the pairs that must be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from imgscore.groups.find import unit_rows
from imgscore.groups.nearest import (
    SKETCH_NUMBERS,
    Frame,
    make_frame,
    near_order,
    nearest_pairs,
    unique_pairs,
)
from imgscore.groups.shots import BURST_SECONDS, Shot, shot_of
from imgscore.store import similarity, traits, vectors
from imgscore.store.schema import split_digests
from imgscore.workers.compare_pairs import links_in
from imgscore.workers.find_groups import groups_of, missing_pairs
from imgscore.workers.group_graph import Graph
from imgscore.workers.group_messages import GroupsFound
from imgscore.workers.grouping import (
    MAX_FRAMES,
    batches,
    blocks_of,
    entries_of,
    matrix,
    pack_frame,
    width_of,
)

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.groups.find import Floats, Ints
    from imgscore.store.pair_blocks import PairBlock
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import FindPairs

FRAME_SAMPLE = 20_000
"""The largest number of images from which pivots are chosen."""


def find_pairs(context: Context, task: FindPairs) -> Iterator[GroupsFound]:
    """Yield the index of all images, and the pairs that must be compared, in parts.

    If all pairs fit into a block, yield the groups instead of the pairs.
    """
    with context.store.read() as txn:
        spec = context.spec
        frame = new_frame(txn, spec, vectors.count(txn, spec.image_embedder))
        entry = similarity.frame_entry(pack_frame(frame))
        yield GroupsFound(last=False, first=True, entries=[entry])
        digests, shots, sketches = _load_all(txn, spec, frame)
        cells = frame.cells(sketches)
        yield from _entries(digests, shots, sketches, cells)
        pairs = np.concatenate([nearest_pairs(sketches, cells), _burst_pairs(shots)])
        # Images of neighbouring cells are in the same blocks, so that few blocks read each image.
        place = np.empty(len(digests), np.int64)
        place[near_order(frame.pivots, cells[:, 0])] = np.arange(len(digests))
        pairs = unique_pairs(pairs)
        blocks = blocks_of(digests, pairs, place, task.block_pairs)
        if len(pairs) <= task.block_pairs:
            yield from _groups_of_few(txn, spec, digests, blocks)
            return
        for block in blocks:
            yield GroupsFound(last=False, blocks=[block])
        yield GroupsFound(last=True)


def _groups_of_few(
    txn: Txn, spec: Spec, digests: list[bytes], blocks: Iterable[PairBlock]
) -> Iterator[GroupsFound]:
    """Compare the pairs here, and yield the links and the groups. A trainer starts only once."""
    links = [link for block in blocks for link in links_in(txn, spec, block)]
    graph = Graph(links)
    for block in list(missing_pairs(graph)):
        for link in links_in(txn, spec, block):
            graph.add(link)
            links.append(link)
    for batch in batches(links):
        yield GroupsFound(last=False, links=batch)
    yield from groups_of(txn, spec, graph, digests)


def new_frame(txn: Txn, spec: Spec, count: int) -> Frame:
    """Return a frame for the images of the store. `count`: their number."""
    step = max(1, -(-count // FRAME_SAMPLE))
    wanted = islice(vectors.digests(txn, spec.image_embedder), None, None, step)
    found = [value for _, value in vectors.get_many(txn, spec.image_embedder, wanted)]
    return make_frame(unit_rows(matrix(found, spec), width_of(spec)), count)


def _load_all(txn: Txn, spec: Spec, frame: Frame) -> tuple[list[bytes], list[Shot], Floats]:
    """Return all images that have a vector and traits, their EXIF facts, and their sketches."""
    digests: list[bytes] = []
    shots: list[Shot] = []
    sketches = [np.empty((0, SKETCH_NUMBERS), np.float32)]
    traits_of = traits.getter(txn)
    for names, values in vectors.blocks(txn, spec.image_embedder):
        kept = []
        for row, digest in enumerate(split_digests(names)):
            found = traits_of(digest)
            if found is not None:
                kept.append(row)
                shots.append(shot_of(found))
                digests.append(digest)
        units = unit_rows(matrix([values], spec)[kept], width_of(spec))
        # The rows of new images are rounded, too.
        sketches.append(frame.sketches(_rounded(units)))
    return digests, shots, np.concatenate(sketches)


def _rounded(rows: Floats) -> Floats:
    """Return unit rows rounded to the 11 bits of float16, as float32 (Veltkamp's splitting).

    The type float16 gives the same values, in 12 times the time.
    """
    scaled = rows * np.float32(2**13 + 1)
    scaled -= scaled - rows
    return scaled


def _entries(
    digests: list[bytes], shots: list[Shot], sketches: Floats, cells: Ints
) -> Iterator[GroupsFound]:
    for rows in batches(range(len(digests))):
        entries = [
            entry
            for row in rows
            for entry in entries_of(digests[row], int(cells[row, 0]), sketches[row], shots[row])
        ]
        yield GroupsFound(last=False, entries=entries)


def _burst_pairs(shots: list[Shot]) -> Ints:
    """Return the pairs of photographs that one camera took within seconds, int64 [p, 2]."""
    taken = sorted(
        (shot.camera, shot.seconds, row)
        for row, shot in enumerate(shots)
        if shot.seconds == shot.seconds
    )
    pairs: list[tuple[int, int]] = []
    for at, (camera, seconds, row) in enumerate(taken):
        for other in taken[at + 1 : at + 1 + MAX_FRAMES]:
            if other[0] != camera or other[1] - seconds > BURST_SECONDS:
                break
            pairs.append((min(row, other[2]), max(row, other[2])))
    return np.array(pairs, np.int64).reshape(-1, 2)
