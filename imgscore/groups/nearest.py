"""Find the nearest images of an image without a comparison with all images.

An image is reduced to a sketch, 128 numbers. Some images of the library are pivots. Each image is
in the cell of its nearest pivot, and the nearest images of an image are searched in the cells of
its PROBES nearest pivots. The distances of sketches are about those of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from imgscore.groups.find import Floats, Ints

SKETCH_NUMBERS = 128
"""The length of a sketch. The error of a cosine is then about 0.04 for similar images."""
CELL_IMAGES = 200
"""The mean number of images in a cell when the pivots are chosen."""
MAX_PIVOTS = 1024
PROBES = 8
"""The number of cells that are searched for one image."""
MIN_COSINE = 0.45
"""The smallest cosine of two sketches at which two images are compared. It is 0.1 smaller than
the smallest cosine of similar images, because of the error of the sketches."""
MAX_NEAREST = 12
"""The largest number of the nearest images with which an image is compared."""
ROW_BLOCK = 2048
"""The number of rows that are compared with a cell at once."""


class Frame(NamedTuple):
    """The directions and the cells by which images are sorted.

    `projection`: float32 [d, SKETCH_NUMBERS]. `pivots`: float32 [p, SKETCH_NUMBERS], unit rows.
    """

    projection: Floats
    pivots: Floats

    def sketches(self, rows: Floats) -> Floats:
        """Return the sketches of unit rows float32 [n, d], as unit rows float32 [n, 128]."""
        sketches = rows @ self.projection
        sketches /= np.maximum(np.linalg.norm(sketches, axis=1, keepdims=True), 1e-6)
        return sketches

    def cells(self, sketches: Floats) -> Ints:
        """Return the nearest pivots of sketches, int64 [n, PROBES], the nearest one first."""
        probes = min(PROBES, len(self.pivots))
        cells = np.empty((len(sketches), probes), np.int64)
        for start in range(0, len(sketches), ROW_BLOCK):
            near = sketches[start : start + ROW_BLOCK] @ self.pivots.T
            chosen = np.argpartition(-near, probes - 1, axis=1)[:, :probes]
            order = np.argsort(-np.take_along_axis(near, chosen, axis=1), axis=1, kind="stable")
            cells[start : start + ROW_BLOCK] = np.take_along_axis(chosen, order, axis=1)
        return cells


def make_frame(rows: Floats, images: int) -> Frame:
    """Return a frame for a library. `rows`: some of its unit rows. `images`: how many it has."""
    generator = np.random.default_rng(0)
    signs = generator.integers(0, 2, (rows.shape[1], SKETCH_NUMBERS)) * 2 - 1
    frame = Frame(signs.astype(np.float32), np.empty((0, SKETCH_NUMBERS), np.float32))
    count = min(max(images // CELL_IMAGES, 1), MAX_PIVOTS, max(len(rows), 1))
    chosen = np.sort(generator.permutation(len(rows))[:count])
    pivots = frame.sketches(rows[chosen])
    if not len(pivots):
        pivots = np.zeros((1, SKETCH_NUMBERS), np.float32)
    return frame._replace(pivots=pivots)


def near_order(pivots: Floats, homes: Ints) -> Ints:
    """Return rows in an order in which most similar images are near to each other, int64 [n].

    `homes`: the cells of the rows. The cells form a chain: the pivot that is most similar to the
    last one follows.
    """
    similar = pivots @ pivots.T
    at, chain = 0, np.empty(len(pivots), np.int64)
    for number in range(len(pivots)):
        chain[at] = number
        similar[:, at] = -2
        at = int(similar[at].argmax())
    return np.argsort(chain[homes], kind="stable")


def nearest_pairs(sketches: Floats, cells: Ints) -> Ints:
    """Return the pairs of rows that must be compared, int64 [p, 2], the smaller row first."""
    least = np.full(len(sketches), MIN_COSINE, np.float32)
    # The nearest images of the own cell limit the search in the other cells.
    found = [*_cell_pairs(sketches, cells[:, :1], cells[:, 0], least)]
    for pairs, cosine in found:
        _raise_limits(least, pairs, cosine)
    found += _cell_pairs(sketches, cells[:, 1:], cells[:, 0], least)
    both = np.concatenate([np.empty((0, 2), np.int64), *(pairs for pairs, _ in found)])
    cosine = np.concatenate([np.empty(0, np.float32), *(cosine for _, cosine in found)])
    order = np.lexsort((-cosine, both[:, 0]))
    both = both[order]
    rank = np.arange(len(both)) - np.searchsorted(both[:, 0], both[:, 0])
    return unique_pairs(np.sort(both[rank < MAX_NEAREST], axis=1))


def unique_pairs(pairs: Ints) -> Ints:
    """Return each pair once, sorted, int64 [u, 2]. `pairs`: int64 [p, 2], no row negative."""
    # To sort numbers takes a fifth of the time of np.unique for rows.
    count = int(pairs.max(initial=0)) + 1
    keys = np.sort(pairs[:, 0] * count + pairs[:, 1])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.stack([keys // count, keys % count], axis=1)


def _raise_limits(least: Floats, pairs: Ints, cosine: Floats) -> None:
    """Raise the limits of rows that have MAX_NEAREST near images to the cosine of the last one.

    `pairs`: sorted by the first row, and each row with at most about MAX_NEAREST images.
    """
    order = np.lexsort((-cosine, pairs[:, 0]))
    rows = pairs[order, 0]
    last = np.flatnonzero(np.arange(len(rows)) - np.searchsorted(rows, rows) == MAX_NEAREST - 1)
    least[rows[last]] = cosine[order[last]]


def _cell_pairs(
    sketches: Floats, probed: Ints, home: Ints, least: Floats
) -> Iterator[tuple[Ints, Floats]]:
    """Yield (row, row of a near image) with the cosine, cell by cell.

    `probed`: the cells that are searched for each row, int64 [n, probes]. `home`: the cell of each
    row. `least`: the smallest cosine for each row; only the nearest images of a cell are yielded.
    """
    by_home = np.argsort(home, kind="stable")
    homes = home[by_home]
    flat = probed.ravel()
    by_probe = np.argsort(flat, kind="stable")
    probes = flat[by_probe]
    for cell in np.unique(home):
        members = by_home[slice(*np.searchsorted(homes, (cell, cell + 1)))]
        probing = by_probe[slice(*np.searchsorted(probes, (cell, cell + 1)))]
        asking = probing // max(probed.shape[1], 1)
        near = sketches[members]
        for start in range(0, len(asking), ROW_BLOCK):
            rows = asking[start : start + ROW_BLOCK]
            cosine = sketches[rows] @ near.T
            limit = least[rows]
            enough = cosine >= limit[:, None]
            # Only few rows have more near images in this cell than they may have.
            many = np.flatnonzero(np.count_nonzero(enough, axis=1) > MAX_NEAREST)
            if len(many):
                some = cosine[many]
                some[rows[many][:, None] == members] = -1
                last = np.partition(some, -MAX_NEAREST, axis=1)[:, -MAX_NEAREST]
                enough[many] = some >= np.maximum(last, limit[many])[:, None]
            left, right = np.nonzero(enough)
            others = rows[left] != members[right]
            left, right = left[others], right[others]
            yield np.stack([rows[left], members[right]], axis=1), cosine[left, right]
