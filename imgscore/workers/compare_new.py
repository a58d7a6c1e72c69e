"""Compare new images with their nearest images in the index, and with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.groups.nearest import MAX_NEAREST, MIN_COSINE, SKETCH_NUMBERS
from imgscore.groups.shots import BURST_SECONDS, shot_of
from imgscore.groups.split import split
from imgscore.store import similarity, traits
from imgscore.store.similarity import Link
from imgscore.workers.group_graph import Graph, grouped, unlinked_pairs
from imgscore.workers.group_messages import GroupsFound
from imgscore.workers.grouping import (
    MAX_FRAMES,
    entries_of,
    linked,
    load,
    unpack_frame,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgscore.embedders.registry import Spec
    from imgscore.groups.find import Floats
    from imgscore.groups.nearest import Frame
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import CompareNew

MAX_LINKED = 2000
"""The largest number of linked images that are grouped again when an image is new."""


def compare_new(context: Context, task: CompareNew) -> GroupsFound:
    """Compare new images, and return their entries, links and groups.

    Raises ImgscoreError if the store has no index.
    """
    with context.store.read() as txn:
        stored = similarity.frame(txn)
        if stored is None:
            raise ImgscoreError("the store has no index of similar images", "restart imgscored")
        return _compared(txn, context.spec, unpack_frame(stored, context.spec), task.digests)


def _compared(txn: Txn, spec: Spec, frame: Frame, digests: list[bytes]) -> GroupsFound:
    """Compare new images with their nearest images in the index, and with each other."""
    new = load(txn, spec, digests)
    sketches = frame.sketches(new.images.rows.astype(np.float32))
    cells = frame.cells(sketches)
    near: dict[bytes, list[bytes]] = {}
    entries: list[tuple[bytes, bytes]] = []
    nearest = nearest_images(txn, cells, sketches, new.digests)
    for row, digest in enumerate(new.digests):
        shot = new.images.shots[row]
        near[digest] = nearest[row]
        if shot.seconds == shot.seconds:
            near[digest] += similarity.taken_within(
                txn, shot.camera, shot.seconds, BURST_SECONDS, 2 * MAX_FRAMES
            )
        entries += entries_of(digest, int(cells[row, 0]), sketches[row], shot)
    others = sorted({other for found in near.values() for other in found} - set(new.digests))
    library = load(txn, spec, [*new.digests, *others])
    row_of = {digest: row for row, digest in enumerate(library.digests)}
    pairs = {
        tuple(sorted((row_of[digest], row_of[other])))
        for digest, found in near.items()
        for other in found
        if other != digest and other in row_of
    }
    # The new images are the first rows of the library.
    pairs.update(tuple(sorted(pair)) for pair in _alike(sketches))
    listed = np.array(sorted({(min(pair), max(pair)) for pair in pairs}), np.int64).reshape(-1, 2)
    links = linked(library, listed)
    graph = _connected(txn, new.digests, links)
    for link in _completed(txn, spec, graph):
        graph.add(link)
        links.append(link)
    found_shots = {digest: shot_of(traits.get(txn, digest)) for digest in graph.strengths}
    groups = grouped(graph, split(graph.strengths), found_shots)
    regrouped = sorted({*new.digests, *graph.strengths})
    return GroupsFound(
        last=True, done=digests, entries=entries, links=links, regrouped=regrouped, groups=groups
    )


def _alike(sketches: Floats) -> list[tuple[int, int]]:
    """Return the pairs of each new image with the nearest other ones, at most MAX_NEAREST."""
    cosine = sketches @ sketches.T
    np.fill_diagonal(cosine, -1)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :MAX_NEAREST]
    return [
        (row, other)
        for row, others in enumerate(order.tolist())
        for other in others
        if cosine[row, other] >= MIN_COSINE
    ]


def _completed(txn: Txn, spec: Spec, graph: Graph) -> list[Link]:
    """Compare the images that are linked only through others, and return the new links."""
    missing = unlinked_pairs(graph)
    if not missing:
        return []
    library = load(txn, spec, sorted({digest for pair in missing for digest in pair}))
    row_of = {digest: row for row, digest in enumerate(library.digests)}
    pairs = [
        (row_of[first], row_of[second])
        for first, second in missing
        if first in row_of and second in row_of
    ]
    return linked(library, np.array(pairs, np.int64).reshape(-1, 2))


def nearest_images(
    txn: Txn, cells: NDArray[np.int64], sketches: Floats, digests: list[bytes]
) -> list[list[bytes]]:
    """Return the images of the index that are nearest to each image, at most MAX_NEAREST.

    `cells`: int64 [n, probes]. Each cell is read once for all images that search it: reading it
    takes most of the time.
    """
    found: list[list[tuple[float, int, int, bytes]]] = [[] for _ in digests]
    for cell in np.unique(cells).tolist():
        entries = [
            entry for entry in similarity.in_cell(txn, cell) if len(entry[1]) == 2 * SKETCH_NUMBERS
        ]
        values = np.frombuffer(b"".join([value for _, value in entries]), np.float16)
        members = values.reshape(-1, SKETCH_NUMBERS).astype(np.float32)
        rows, probes = np.nonzero(cells == cell)
        near = sketches[rows] @ members.T
        # One more than is needed, because the image itself can be in the cell.
        count = min(MAX_NEAREST + 1, len(entries))
        best = np.argpartition(-near, count - 1, axis=1)[:, :count] if count else near.astype(int)
        cosine = np.take_along_axis(near, best, axis=1)
        for at, column in np.argwhere(cosine >= MIN_COSINE).tolist():
            row, place = int(rows[at]), int(best[at, column])
            name = similarity.digest_in(entries[place][0])
            if name != digests[row]:
                found[row].append((-float(cosine[at, column]), int(probes[at]), place, name))
    return [[name for *_, name in sorted(near)[:MAX_NEAREST]] for near in found]


def _connected(txn: Txn, digests: list[bytes], links: list[Link]) -> Graph:
    """Return all images that are linked to new images, also through other images."""
    graph = Graph(links)
    waiting = [*digests, *graph.strengths]
    seen: set[bytes] = set()
    while waiting and len(seen) < MAX_LINKED:
        image = waiting.pop()
        if image in seen:
            continue
        seen.add(image)
        for other in similarity.neighbours(txn, image):
            graph.add(Link(image, other.digest, other.kind, other.strength, other.gain))
            waiting.append(other.digest)
    return graph
