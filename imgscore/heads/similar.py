"""Find similar images: near-duplicates, and images that must be in one fold.

An image, its smaller copy and its copy with a watermark are almost equal, and so are the frames
(photographs) of one burst. Three measures find them: the distance of the embeddings in relation to
the other images of the library, the coarse luma of the pixels, and the time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.components import group_numbers, roots_of
from imgscore.heads.features import Features
from imgscore.heads.library_nodes import MAX_PLAIN, LibraryNodes

EQUAL_COSINE = 0.97
"""The smallest cosine of two feature vectors at which two images always belong together."""
MIN_COSINE = 0.6
"""The smallest cosine of two images that can belong together because of their distance ratio. Of
the re-encoded images that were measured, 99 % have a cosine of at least 0.6."""
FOLD_RATIO = 0.5
"""The largest distance ratio (see `Pairs`) of two images that must be in one fold.

With 0.5, heads that were trained on random labels of 150 pairs of an image and its changed copy
have a held-out AUC of 0.53, as with the true pairs. With 0.4 it was 0.56, and with the cosine 0.98
alone it was 0.92 (bench/LEARNING.md)."""
DUPLICATE_RATIO = 0.3
"""The largest distance ratio of two images that are shown as near-duplicates, if their facts are
about equal."""
MAX_FACT_DIFFERENCES = (0.12, 0.06, 0.06, 0.06)
"""The largest differences of the facts of near-duplicates: of the natural logarithm of the aspect
ratio, of the brightness, of the contrast and of the colourfulness (see `images/traits.py`)."""
SCALE_NEIGHBOUR = 10
"""The number of the neighbour that defines the scale of an image. A smaller number finds fewer
copies of images that have several copies."""
MAX_SCALE_SAMPLE = MAX_PLAIN
"""The largest number of images among which the neighbour is searched. The scale of an image then
hardly depends on the size of the library, and the time is proportional to this number."""
MIN_CORRELATION = 0.95
"""The smallest correlation of the grids of an image and its changed copy. Re-encoding and scaling
leave it above 0.95 for 98 % of the images."""
MIN_GRID_COSINE = 0.4
"""The smallest cosine of two images that belong together because of their grids."""
GRID_DIRECTIONS = 32
"""The number of main directions along which grids are compared first."""
SELF_COSINE = 0.9995
"""The smallest cosine at which an image of the library is taken for the image itself."""
MAX_PAIRS = 50
"""The largest number of later rows with which a row is paired. Otherwise, the number of pairs could
be half the square of the number of rows."""
BURST_SECONDS = 2.0
"""The largest number of seconds between two frames (photographs) of one burst."""
BURST_COSINE = 0.8
"""The smallest cosine at which two frames of a burst are near-duplicates. A short time between two
frames is not enough, because a camera may turn within 2 s."""
MAX_BURST_FRAMES = 30
"""The largest number of earlier frames with which a frame is compared. If the clock of a camera has
stopped, all frames of this camera have equal times. Without this limit, each frame would be
compared with all others."""
SKETCH_DIRECTIONS = 96
"""The number of main directions along which images are compared first. The main directions are the
last columns of the feature vectors."""
MAX_ROUNDING = 1e-4
"""The largest rounding error of a squared distance. Distances are at most 4."""
ROW_BLOCK = 256
"""The number of rows that are compared with all other rows at once."""


class Pairs(NamedTuple):
    """Pairs of similar images.

    `images`: the number n of images.
    `rows`: int64 [p, 2], the two rows of each pair, the smaller row first.
    `cosine`: float32 [p], the cosine of the two feature vectors.
    `ratio`: float32 [p], the distance ratio: the distance (1 - cosine) of the two images, divided
    by the geometric mean of their scales. The scale of an image is the distance to its tenth
    neighbour (SCALE_NEIGHBOUR). A copy of an image is much nearer to the image than other images
    are, in a library of many motifs as well as in a library of one motif.
    `correlation`: float32 [p], the correlation of the two grids (see `extras.grids_of`); 0 if a
    grid is unknown.
    `in_burst`: bool [p], whether the two images are frames of one burst.
    """

    images: int
    rows: Ints
    cosine: Floats
    ratio: Floats
    correlation: Floats
    in_burst: Bools

    def take(self, chosen: Bools) -> Pairs:
        """Return only the chosen pairs. `chosen`: bool [p]."""
        return Pairs(
            self.images,
            self.rows[chosen],
            self.cosine[chosen],
            self.ratio[chosen],
            self.correlation[chosen],
            self.in_burst[chosen],
        )

    def first(self, images: int) -> Pairs:
        """Return only the pairs among the first `images` rows."""
        return self.take(np.asarray((self.rows < images).all(axis=1)))._replace(images=images)

    def groups(self) -> Ints:
        """Return the group number of each row as int64 [n]. A chain of pairs joins a group."""
        return group_numbers(roots_of(self.rows, self.images))

    @property
    def certain(self) -> Bools:
        """Whether the two images of each pair belong together, whatever the library contains."""
        equal = self.correlation >= MIN_CORRELATION
        return np.asarray((self.cosine >= EQUAL_COSINE) | equal | self.in_burst)


def similar_pairs(
    projected: Floats,
    features: Features,
    library: Half | LibraryNodes,
    grids: Floats,
    taken: NDArray[np.float64] | None = None,
) -> Pairs:
    """Return the pairs of images that must be in one fold.

    `projected`: float32 [n, r], the result of `features.projected` for the n images.
    `library`: float16 [m, d], a sample of all images, or its nodes. It defines the scales, and may
    contain the n images. m may be 0; the n images then define the scales.
    `grids`: float32 [n, k], the result of `extras.grids_of`.
    `taken`: float64 [n], the EXIF times in seconds, NaN if unknown.

    All rows are first compared along some main directions only. This step finds every pair with a
    small distance, but also other pairs. In the second step, these pairs are compared along all
    directions.
    """
    rows = features.unit_rows(projected)
    sample = _sample(library, features)
    scale = _scales(rows, sample if len(sample) else rows)
    # For unit vectors x and y, |x - y|² = 2 - 2 cosine. The ratio of a pair is at most FOLD_RATIO
    # if |x - y|² is at most 2 · FOLD_RATIO · sqrt(scale of x · scale of y).
    reach = np.sqrt(2 * FOLD_RATIO * scale)
    near = _near_pairs(
        rows[:, -SKETCH_DIRECTIONS:], reach, 2 - 2 * EQUAL_COSINE, 2 - 2 * MIN_COSINE
    )
    largest = 2 - 2 * MIN_CORRELATION
    reach = np.full(len(rows), largest**0.5, np.float32)
    equal = _near_pairs(_sketches(grids), reach, largest, largest)
    bursts = _bursts(taken) if taken is not None else np.empty((0, 2), np.int64)
    found = _distinct(np.concatenate([near, equal, bursts]), len(rows))
    pairs = Pairs(
        images=len(rows),
        rows=found,
        cosine=(cosine := _products(rows, found)),
        ratio=(1 - cosine) / np.sqrt(scale[found[:, 0]] * scale[found[:, 1]]),
        correlation=np.where(cosine >= MIN_GRID_COSINE, _products(grids, found), 0),
        in_burst=_contains(bursts, found, len(rows)) & (cosine >= BURST_COSINE),
    )
    near_enough = (pairs.cosine >= MIN_COSINE) & (pairs.ratio <= FOLD_RATIO)
    return pairs.take(pairs.certain | near_enough)


def near_duplicates(pairs: Pairs, facts: Floats) -> Pairs:
    """Return the pairs that are near-duplicates: frames of a burst, or changed copies of an image.

    `facts`: float32 [n, 4], the facts whose differences MAX_FACT_DIFFERENCES limits. NaN means that
    a fact is unknown.
    """
    left, right = pairs.rows.T
    equal = (np.abs(facts[left] - facts[right]) <= MAX_FACT_DIFFERENCES).all(axis=1)
    alike = (pairs.ratio <= DUPLICATE_RATIO) | (pairs.correlation >= MIN_CORRELATION)
    return pairs.take((pairs.cosine >= EQUAL_COSINE) | pairs.in_burst | (alike & equal))


def _distinct(pairs: Ints, count: int) -> Ints:
    """Return the distinct pairs, sorted, the smaller row first. `count`: the number of rows."""
    # Sorting takes a tenth of the time of np.unique.
    numbers = np.sort(np.sort(pairs, axis=1) @ [count, 1])
    is_first = np.diff(numbers, prepend=-1) > 0
    return np.stack(np.divmod(numbers[is_first], count), axis=1)


def _products(rows: Floats, pairs: Ints) -> Floats:
    """Return the scalar product of the two rows of each pair, float32 [p]."""
    products = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK_ROWS):
        left, right = pairs[start : start + BLOCK_ROWS].T
        products[start : start + BLOCK_ROWS] = np.einsum("ij,ij->i", rows[left], rows[right])
    return products


def _contains(some: Ints, pairs: Ints, count: int) -> Bools:
    """Return for each pair whether it is one of `some`. `count`: the number of rows."""
    numbers = np.sort(some, axis=1) @ [count, 1]
    return np.isin(pairs @ [count, 1], numbers)


def _sketches(grids: Floats) -> Floats:
    """Project grids on their main directions, as float32 [n, GRID_DIRECTIONS]."""
    sample = grids[np.random.default_rng(0).permutation(len(grids))[:MAX_SCALE_SAMPLE]]
    _, directions = np.linalg.eigh(sample.T @ sample)
    return np.asarray(grids @ directions[:, -GRID_DIRECTIONS:], np.float32)


def _sample(library: Half | LibraryNodes, features: Features) -> Floats:
    """Return the feature vectors of at most MAX_SCALE_SAMPLE images of the library."""
    if isinstance(library, LibraryNodes):
        return library.plain.astype(np.float32)
    chosen = np.random.default_rng(0).permutation(len(library))[:MAX_SCALE_SAMPLE]
    return features(library[np.sort(chosen)])


def _scales(rows: Floats, sample: Floats) -> Floats:
    """Return the scale of each row, float32 [n]: the distance to its tenth neighbour in `sample`.

    The row itself does not count as a neighbour.
    """
    neighbour = min(SCALE_NEIGHBOUR, len(sample) - 1)
    scale = np.ones(len(rows), np.float32)
    if neighbour < 1:
        return scale
    for start in range(0, len(rows), BLOCK_ROWS):
        cosine = rows[start : start + BLOCK_ROWS] @ sample.T
        ranked = np.partition(cosine, (-neighbour - 1, -neighbour, -1), axis=1)
        has_itself = ranked[:, -1] >= SELF_COSINE
        nearest = np.where(has_itself, ranked[:, -neighbour - 1], ranked[:, -neighbour])
        scale[start : start + BLOCK_ROWS] = np.maximum(1 - nearest, 1e-3)
    return scale


def _near_pairs(sketch: Floats, reach: Floats, smallest: float, largest: float) -> Ints:
    """Return the pairs of rows, int64 [p, 2], whose squared distance is at most their limit.

    The limit of two rows is the product of their `reach`, but at least `smallest` and at most
    `largest`. A row has at most MAX_PAIRS pairs with later rows. A row of zeros has no pairs.
    """
    # The distance along some directions (the sketch) is at most the distance along all directions.
    # The sketches of similar images are therefore also near to each other.
    squared_length = np.einsum("ij,ij->i", sketch, sketch)
    known = np.flatnonzero(squared_length)
    sketch, length = sketch[known], squared_length[known, None]
    reach = np.maximum(reach[known, None], smallest**0.5)
    # |x - y|² - limit = -2 x·y + |x|² + |y|² - reach of x · reach of y: this is a product of rows
    # that are longer by three columns. The clipped reach makes the limits of some pairs too large.
    one = np.ones_like(length)
    left_rows = np.ascontiguousarray(np.hstack([-2 * sketch, length, one, -reach]), np.float32)
    right_rows = np.ascontiguousarray(np.hstack([sketch, one, length, reach]), np.float32)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(sketch), ROW_BLOCK):
        excess = left_rows[start : start + ROW_BLOCK] @ right_rows[start:].T
        near = excess <= MAX_ROUNDING
        height, width = near.shape
        near[:, :height] &= np.tri(height, k=-1, dtype=bool).T
        place = np.flatnonzero(near)
        left, right = np.divmod(place, width)
        limit = (reach[start + left] * reach[start + right])[:, 0]
        inside = excess.ravel()[place] + limit <= largest + MAX_ROUNDING
        left, right = left[inside], right[inside]
        first = np.searchsorted(left, left)  # the position of the first pair of each row
        few = np.arange(len(left)) - first < MAX_PAIRS
        found.append(np.stack([known[start + left[few]], known[start + right[few]]], axis=1))
    return np.concatenate(found)


def _bursts(taken: NDArray[np.float64]) -> Ints:
    """Return pairs of rows, int64 [p, 2], with at most BURST_SECONDS between their times."""
    order = np.argsort(taken, kind="stable")[: np.count_nonzero(np.isfinite(taken))]
    bursts = [np.empty((0, 2), np.int64)]
    for frames_between in range(1, MAX_BURST_FRAMES + 1):
        pairs = np.stack([order[:-frames_between], order[frames_between:]], axis=1)
        near = taken[pairs[:, 1]] - taken[pairs[:, 0]] <= BURST_SECONDS
        if not near.any():
            break
        bursts.append(pairs[near])
    return np.concatenate(bursts)
