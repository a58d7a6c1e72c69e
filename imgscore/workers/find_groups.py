"""Find the groups of new images, or of all images of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations, islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore.groups.find import Images, Links, find_links, unit_rows
from imgscore.groups.nearest import (
    MAX_NEAREST,
    MIN_COSINE,
    SKETCH_NUMBERS,
    Frame,
    make_frame,
    nearest_pairs,
)
from imgscore.groups.shots import BURST_SECONDS, Shot, shot_of
from imgscore.groups.split import components, split
from imgscore.images.pixels import unpacked_fine_grid
from imgscore.images.traits import FINE_GRID_SIDE, GRID_SIDE, Traits
from imgscore.store import similarity, traits, vectors
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.similarity import IndexState, Link
from imgscore.workers.group_graph import Graph, grouped
from imgscore.workers.group_messages import FoundGroup, GroupsFound

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.groups.find import FineGrids, Floats, Ints
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context
    from imgscore.workers.group_messages import FindGroups

PART_ROWS = 1000
"""The largest number of entries in one part of an answer. It has 0.3 MB, and storing it takes about
10 ms."""
MAX_FRAMES = 30
"""The largest number of later photographs of a camera with which a photograph is compared. If the
clock of a camera has stopped, all its photographs have equal times."""
MAX_LINKED = 2000
"""The largest number of linked images that are grouped again when an image is new."""
FRAME_SAMPLE = 20_000
"""The largest number of images from which pivots are chosen."""
PAIR_BATCH = 200_000
"""The number of pairs that are compared between two reports of progress."""
FINE_CACHE = 8192
"""The number of fine grids that are kept unpacked, because most are compared with several images.
They use 34 MB."""

Item = TypeVar("Item")


class _Library(NamedTuple):
    """Images, with their digests in the order of the rows of `images`."""

    digests: list[bytes]
    images: Images


def find_groups(context: Context, task: FindGroups) -> Iterator[GroupsFound]:
    """Compare images, and yield the groups in parts."""
    with context.store.read() as txn:
        stored = similarity.frame(txn) if task.digests else None
        if stored is None:
            yield from _of_all(txn, context)
        else:
            yield _of_new(txn, context.spec, _unpack(stored, context.spec), task.digests)


# ---- all images


def _of_all(txn: Txn, context: Context) -> Iterator[GroupsFound]:
    spec = context.spec
    count = vectors.count(txn, spec.image_embedder)
    frame = _new_frame(txn, spec, count)
    yield GroupsFound(last=False, first=True, entries=[similarity.frame_entry(_pack(frame))])
    library, sketches = _load_all(txn, spec, frame)
    cells = frame.cells(sketches)
    yield from _entries(library, sketches, cells)
    pairs = np.concatenate([nearest_pairs(sketches, cells), _burst_pairs(library.images)])
    pairs = np.unique(pairs, axis=0)
    found: list[Link] = []
    start = 0
    while start < len(pairs):
        # The pairs of one image are compared together, so a batch ends after the pairs of a row.
        last = pairs[min(start + PAIR_BATCH, len(pairs)) - 1, 0]
        stop = int(np.searchsorted(pairs[:, 0], last, side="right"))
        found += _links(library.digests, find_links(library.images, pairs[start:stop]))
        context.on_progress(stop, len(pairs))
        start = stop
    for batch in _batches(found):
        yield GroupsFound(last=False, links=batch)
    yield from _groups_of_all(library, Graph(found))
    yield GroupsFound(last=True, state=IndexState(spec.image_embedder, count))


def _new_frame(txn: Txn, spec: Spec, count: int) -> Frame:
    step = max(1, -(-count // FRAME_SAMPLE))
    wanted = islice(vectors.digests(txn, spec.image_embedder), None, None, step)
    found = [value for _, value in vectors.get_many(txn, spec.image_embedder, wanted)]
    return make_frame(unit_rows(_matrix(found, spec), _width(spec)), count)


def _load_all(txn: Txn, spec: Spec, frame: Frame) -> tuple[_Library, Floats]:
    """Return all images that have a vector and traits, and their sketches."""
    digests: list[bytes] = []
    rows = [np.empty((0, _width(spec)), np.float16)]
    sketches = [np.empty((0, SKETCH_NUMBERS), np.float32)]
    known: list[Traits] = []
    for names, values in vectors.blocks(txn, spec.image_embedder):
        block = _matrix([values], spec)
        listed = [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
        kept = []
        for at, digest in enumerate(listed):
            found = traits.get(txn, digest)
            if found is not None:
                kept.append(at)
                known.append(found)
                digests.append(digest)
        units = unit_rows(block[kept], _width(spec))
        rows.append(units.astype(np.float16))
        sketches.append(frame.sketches(units))
    images = _images(np.concatenate(rows), known, _fine_grids(txn, digests))
    return _Library(digests, images), np.concatenate(sketches)


def _entries(library: _Library, sketches: Floats, cells: Ints) -> Iterator[GroupsFound]:
    for rows in _batches(range(len(library.digests))):
        entries = [
            entry
            for row in rows
            for entry in _entries_of(
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


def _groups_of_all(library: _Library, graph: Graph) -> Iterator[GroupsFound]:
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
    for batch in _batches([name for name in library.digests if name not in graph.strengths]):
        yield GroupsFound(last=False, done=batch, regrouped=batch)


# ---- new images


def _of_new(txn: Txn, spec: Spec, frame: Frame, digests: list[bytes]) -> GroupsFound:
    """Compare new images with their nearest images in the index, and with each other."""
    new = _load(txn, spec, digests)
    sketches = frame.sketches(new.images.rows.astype(np.float32))
    cells = frame.cells(sketches)
    near: dict[bytes, list[bytes]] = {}
    entries: list[tuple[bytes, bytes]] = []
    for row, digest in enumerate(new.digests):
        shot = new.images.shots[row]
        near[digest] = _nearest(txn, cells[row], sketches[row], digest)
        if shot.seconds == shot.seconds:
            near[digest] += similarity.taken_within(
                txn, shot.camera, shot.seconds, BURST_SECONDS, 2 * MAX_FRAMES
            )
        entries += _entries_of(digest, int(cells[row, 0]), sketches[row], shot)
    others = sorted({other for found in near.values() for other in found} - set(new.digests))
    library = _load(txn, spec, [*new.digests, *others])
    row_of = {digest: row for row, digest in enumerate(library.digests)}
    pairs = {
        tuple(sorted((row_of[digest], row_of[other])))
        for digest, found in near.items()
        for other in found
        if other != digest and other in row_of
    }
    cosine = sketches @ sketches.T
    pairs.update(
        (row_of[new.digests[first]], row_of[new.digests[second]])
        for first, second in combinations(range(len(new.digests)), 2)
        if cosine[first, second] >= MIN_COSINE
    )
    listed = np.array(sorted({(min(pair), max(pair)) for pair in pairs}), np.int64).reshape(-1, 2)
    links = _links(library.digests, find_links(library.images, listed))
    graph = _connected(txn, new.digests, links)
    found_shots = {digest: shot_of(traits.get(txn, digest)) for digest in graph.strengths}
    groups = grouped(graph, split(graph.strengths), found_shots)
    regrouped = sorted({*new.digests, *graph.strengths})
    return GroupsFound(
        last=True, done=digests, entries=entries, links=links, regrouped=regrouped, groups=groups
    )


def _nearest(txn: Txn, cells: NDArray[np.int64], sketch: Floats, digest: bytes) -> list[bytes]:
    """Return the images of the index that are nearest to an image, at most MAX_NEAREST."""
    names: list[bytes] = []
    values = bytearray()
    for cell in cells.tolist():
        for name, value in similarity.in_cell(txn, cell):
            if name != digest and len(value) == 2 * SKETCH_NUMBERS:
                names.append(name)
                values += value
    cosine = np.frombuffer(values, np.float16).reshape(-1, SKETCH_NUMBERS).astype(np.float32)
    near = cosine @ sketch
    best = np.argsort(-near, kind="stable")[:MAX_NEAREST]
    return [names[at] for at in best.tolist() if near[at] >= MIN_COSINE]


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


def _load(txn: Txn, spec: Spec, digests: list[bytes]) -> _Library:
    """Return those of the images that have a vector and traits."""
    names: list[bytes] = []
    values: list[bytes] = []
    known: list[Traits] = []
    for digest in dict.fromkeys(digests):
        vector, found = vectors.get(txn, spec.image_embedder, digest), traits.get(txn, digest)
        if vector is not None and found is not None:
            names.append(digest)
            values.append(vector)
            known.append(found)
    rows = unit_rows(_matrix(values, spec), _width(spec))
    return _Library(names, _images(rows, known, _fine_grids(txn, names)))


# ---- both


def _entries_of(digest: bytes, cell: int, sketch: Floats, shot: Shot) -> list[tuple[bytes, bytes]]:
    """Return the entries of an image in the index."""
    entries = [similarity.cell_entry(cell, digest, sketch.astype(np.float16).tobytes())]
    if shot.seconds == shot.seconds:
        entries.append(similarity.time_entry(shot.camera, shot.seconds, digest))
    return entries


def _fine_grids(txn: Txn, digests: list[bytes]) -> FineGrids:
    """Return a function that reads the fine grids of rows of `digests` from the store."""

    @lru_cache(maxsize=FINE_CACHE)
    def unpacked(row: int) -> NDArray[np.uint8] | None:
        return unpacked_fine_grid(traits.fine_grid(txn, digests[row]))

    def read(rows: Ints) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        fine = np.zeros((len(rows), FINE_GRID_SIDE, FINE_GRID_SIDE), np.uint8)
        known = np.zeros(len(rows), np.bool_)
        for at, row in enumerate(rows.tolist()):
            found = unpacked(row)
            if found is not None:
                fine[at], known[at] = found, True
        return fine, known

    return read


def _images(
    rows: NDArray[np.floating], known: list[Traits], fine: FineGrids | None = None
) -> Images:
    grids = np.zeros((len(known), GRID_SIDE**2), np.float32)
    for row, found in enumerate(known):
        if len(found.grid) == GRID_SIDE**2:
            grids[row] = np.frombuffer(found.grid, np.uint8)
    aspects = np.array([max(found.width, 1) / max(found.height, 1) for found in known], np.float64)
    return Images(rows, grids, aspects, [shot_of(found) for found in known], fine)


def _links(digests: list[bytes], found: Links) -> list[Link]:
    return [
        Link(digests[first], digests[second], kind, round(strength, 4), round(gain, 4))
        for (first, second), kind, strength, gain in zip(
            found.rows.tolist(),
            found.kinds.tolist(),
            found.cosines.tolist(),
            found.gains.tolist(),
            strict=True,
        )
    ]


def _width(spec: Spec) -> int:
    """Return the number of columns of the first section of a vector."""
    return min(spec.sections[0].stop, spec.image_dim) if spec.sections else spec.image_dim


def _matrix(values: list[bytes], spec: Spec) -> NDArray[np.float16]:
    return np.frombuffer(b"".join(values), np.float16).reshape(-1, spec.image_dim)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, PART_ROWS)):
        yield batch


class _PackedFrame(msgspec.Struct, array_like=True, frozen=True):
    projection: bytes
    pivots: bytes


def _pack(frame: Frame) -> bytes:
    packed = _PackedFrame(
        frame.projection.astype(np.float16).tobytes(), frame.pivots.astype(np.float16).tobytes()
    )
    return msgspec.msgpack.encode(packed)


def _unpack(value: bytes, spec: Spec) -> Frame:
    packed = msgspec.msgpack.decode(value, type=_PackedFrame)
    projection = np.frombuffer(packed.projection, np.float16).reshape(_width(spec), SKETCH_NUMBERS)
    pivots = np.frombuffer(packed.pivots, np.float16).reshape(-1, SKETCH_NUMBERS)
    return Frame(projection.astype(np.float32), pivots.astype(np.float32))
