"""The steps that are common to a comparison of all images and to one of new images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore.groups.find import Images, Links, find_links, unit_rows
from imgscore.groups.nearest import SKETCH_NUMBERS, Frame
from imgscore.groups.shots import Shot, shot_of
from imgscore.images.pixels import unpacked_fine_grid
from imgscore.images.traits import FINE_GRID_SIDE, GRID_SIDE, Traits
from imgscore.store import similarity, traits, vectors
from imgscore.store.pair_blocks import BLOCK_PAIRS, PairBlock
from imgscore.store.similarity import Link

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.groups.find import Floats, Ints
    from imgscore.groups.verification import FineGrids
    from imgscore.store.transaction import Txn

ANSWER_BATCH = 1000
"""The largest number of entries in one part of an answer. It has 0.3 MB, and storing it takes about
10 ms."""
MAX_FRAMES = 30
"""The largest number of later photographs of a camera with which a photograph is compared. If the
clock of a camera has stopped, all its photographs have equal times."""
FINE_CACHE = 8192
"""The number of fine grids that are kept unpacked, because most are compared with several images.
They use 34 MB."""

Item = TypeVar("Item")


class Library(NamedTuple):
    """Images, with their digests in the order of the rows of `images`."""

    digests: list[bytes]
    images: Images


def load(txn: Txn, spec: Spec, digests: list[bytes]) -> Library:
    """Return those of the images that have a vector and traits."""
    names: list[bytes] = []
    values: list[bytes] = []
    known: list[Traits] = []
    vector_of = dict(vectors.get_many(txn, spec.image_embedder, digests))
    traits_of = traits.getter(txn)
    for digest in dict.fromkeys(digests):
        vector, found = vector_of.get(digest), traits_of(digest)
        if vector is not None and found is not None:
            names.append(digest)
            values.append(vector)
            known.append(found)
    # With float16, a block uses less memory, and equal cosines make equal groups.
    rows = unit_rows(matrix(values, spec), width_of(spec)).astype(np.float16)
    return Library(names, images_of(rows, known, fine_grids(txn, names)))


def entries_of(digest: bytes, cell: int, sketch: Floats, shot: Shot) -> list[tuple[bytes, bytes]]:
    """Return the entries of an image in the index."""
    entries = [similarity.cell_entry(cell, digest, sketch.astype(np.float16).tobytes())]
    if shot.seconds == shot.seconds:
        entries.append(similarity.time_entry(shot.camera, shot.seconds, digest))
    return entries


def fine_grids(txn: Txn, digests: list[bytes]) -> FineGrids:
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


def images_of(
    rows: NDArray[np.floating], known: list[Traits], fine: FineGrids | None = None
) -> Images:
    grids = np.zeros((len(known), GRID_SIDE**2), np.float32)
    for row, found in enumerate(known):
        if len(found.grid) == GRID_SIDE**2:
            grids[row] = np.frombuffer(found.grid, np.uint8)
    aspects = np.array([max(found.width, 1) / max(found.height, 1) for found in known], np.float64)
    pixels = np.array([found.width * found.height for found in known], np.int64)
    return Images(rows, grids, aspects, [shot_of(found) for found in known], fine, pixels)


def linked(library: Library, pairs: Ints) -> list[Link]:
    """Return the links of those pairs of rows that belong together.

    The image with the smaller digest is the first one of a pair, so that the result does not depend
    on the order of the rows.
    """
    ranks = np.empty(len(library.digests), np.int64)
    ranks[sorted(range(len(ranks)), key=library.digests.__getitem__)] = np.arange(len(ranks))
    swapped = ranks[pairs[:, 0]] > ranks[pairs[:, 1]]
    ordered = np.where(swapped[:, None], pairs[:, ::-1], pairs)
    return links_of(library.digests, find_links(library.images, ordered))


def blocks_of(
    digests: list[bytes], pairs: Ints, places: Ints, size: int = BLOCK_PAIRS
) -> Iterator[PairBlock]:
    """Yield pairs of rows in blocks.

    `pairs`: int64 [p, 2]. `places`: int64 [n], for each row its place in a sequence in which
    similar images are near to each other, so that the pairs of a block have many images in common.
    """
    by_place = np.sort(places[pairs], axis=1)
    pairs = pairs[np.lexsort((by_place[:, 1], by_place[:, 0]))]
    for start in range(0, len(pairs), size):
        rows, at = np.unique(pairs[start : start + size], return_inverse=True)
        names = b"".join(digests[row] for row in rows.tolist())
        yield PairBlock(names, at.astype("<u2").tobytes())


def links_of(digests: list[bytes], found: Links) -> list[Link]:
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


def width_of(spec: Spec) -> int:
    """Return the number of columns of the first section of a vector."""
    return min(spec.sections[0].stop, spec.image_dim) if spec.sections else spec.image_dim


def matrix(values: list[bytes], spec: Spec) -> NDArray[np.float16]:
    return np.frombuffer(b"".join(values), np.float16).reshape(-1, spec.image_dim)


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, ANSWER_BATCH)):
        yield batch


class _PackedFrame(msgspec.Struct, array_like=True, frozen=True):
    projection: bytes
    pivots: bytes


def pack_frame(frame: Frame) -> bytes:
    packed = _PackedFrame(
        frame.projection.astype(np.float16).tobytes(), frame.pivots.astype(np.float16).tobytes()
    )
    return msgspec.msgpack.encode(packed)


def unpack_frame(value: bytes, spec: Spec) -> Frame:
    packed = msgspec.msgpack.decode(value, type=_PackedFrame)
    projection = np.frombuffer(packed.projection, np.float16).reshape(
        width_of(spec), SKETCH_NUMBERS
    )
    pivots = np.frombuffer(packed.pivots, np.float16).reshape(-1, SKETCH_NUMBERS)
    return Frame(projection.astype(np.float32), pivots.astype(np.float32))
