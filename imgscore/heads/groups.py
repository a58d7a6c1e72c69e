"""Find near-duplicates, and split labels into folds that keep similar images together.

An image, its smaller copy and its copy with a watermark are almost equal, and so are the frames
(photographs) of one burst. If one of them is used for training and another one for the test, the
measured quality is too high. Folds that keep them together prevent this error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.features import Features

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
MAX_SCALE_SAMPLE = 1000
"""The largest number of images among which the neighbour is searched. The scale of an image then
hardly depends on the size of the library, and the time is proportional to this number."""
SELF_COSINE = 0.9995
"""The smallest cosine at which an image of the library is taken for the image itself."""
MAX_PAIRS = 50
"""The largest number of later rows with which a row is paired. Otherwise, the number of pairs could
be half the square of the number of rows."""
MAX_GROUP_SHARE = 0.1
"""The largest share of all labels that a group may have if it is joined by distance ratios only. A
larger group would make the folds unequal."""
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
ROW_BLOCK = 256
"""The number of rows that are compared with all other rows at once."""
FOLDS = 10
"""The largest number of folds of a cross-validation. There are fewer folds if one kind of label
(keep or trash) has fewer than FOLDS labels."""


class Pairs(NamedTuple):
    """Pairs of similar images.

    `images`: the number n of images.
    `rows`: int64 [p, 2], the two rows of each pair, the smaller row first.
    `cosine`: float32 [p], the cosine of the two feature vectors.
    `ratio`: float32 [p], the distance ratio: the distance (1 - cosine) of the two images, divided
    by the geometric mean of their scales. The scale of an image is the distance to its tenth
    neighbour (SCALE_NEIGHBOUR). A copy of an image is much nearer to the image than other images
    are, in a library of many motifs as well as in a library of one motif.
    `in_burst`: bool [p], whether the two images are frames of one burst.
    """

    images: int
    rows: Ints
    cosine: Floats
    ratio: Floats
    in_burst: Bools

    def take(self, chosen: Bools) -> Pairs:
        """Return only the chosen pairs. `chosen`: bool [p]."""
        return Pairs(
            self.images,
            self.rows[chosen],
            self.cosine[chosen],
            self.ratio[chosen],
            self.in_burst[chosen],
        )

    def groups(self) -> Ints:
        """Return the group number of each row as int64 [n]. A chain of pairs joins a group."""
        parents = np.arange(self.images)
        for first, second in self.rows.tolist():
            _unite(parents, first, second)
        return _group_numbers(parents)


def similar_pairs(
    embeddings: Half,
    features: Features,
    library: Half,
    taken: NDArray[np.float64] | None = None,
) -> Pairs:
    """Return the pairs of images that must be in one fold, or are frames of one burst.

    `embeddings`: float16 [n, d].
    `library`: float16 [m, d], a sample of all images. It defines the scales, and may contain the n
    images. m may be 0; the n images then define the scales.
    `taken`: float64 [n], the EXIF times in seconds, NaN if unknown.

    All rows are first compared along the main directions only. This step finds every pair with a
    small distance, but also other pairs. In the second step, these pairs are compared along all
    directions. Frames of a burst are found by their times.
    """
    count = len(embeddings)
    rows = features(embeddings)
    scale = _scales(rows, _sample(library, features) if len(library) else rows)
    found = [np.empty((0, 2), np.int64)]
    if count > 1:
        found += _near_pairs(rows, scale)
    bursts = _bursts(taken) if taken is not None else found[0]
    near = np.concatenate([*found, bursts])
    in_burst = np.arange(len(near)) >= len(near) - len(bursts)
    near = np.sort(near, axis=1)
    cosine = np.empty(len(near), np.float32)
    for start in range(0, len(near), BLOCK_ROWS):
        left, right = near[start : start + BLOCK_ROWS].T
        cosine[start : start + BLOCK_ROWS] = np.einsum("ij,ij->i", rows[left], rows[right])
    ratio = (1 - cosine) / np.sqrt(scale[near[:, 0]] * scale[near[:, 1]])
    alike = (cosine >= EQUAL_COSINE) | ((cosine >= MIN_COSINE) & (ratio <= FOLD_RATIO))
    pairs = Pairs(count, near, cosine, ratio.astype(np.float32), in_burst)
    return pairs.take(np.where(in_burst, cosine >= BURST_COSINE, alike))


def fold_groups(pairs: Pairs) -> Ints:
    """Return the group number of each row as int64 [n]: images of a group must be in one fold.

    Nearest pairs are joined first. A pair that is similar only by its distance ratio is not joined
    if the group would be larger than MAX_GROUP_SHARE of all images.
    """
    parents, sizes = np.arange(pairs.images), np.ones(pairs.images, np.int64)
    limit = max(MAX_GROUP_SHARE * pairs.images, 2)
    certain = (pairs.cosine >= EQUAL_COSINE) | pairs.in_burst
    order = np.lexsort((pairs.ratio, ~certain))
    for first, second, is_certain in zip(
        *pairs.rows[order].T.tolist(), certain[order].tolist(), strict=True
    ):
        left, right = _root(parents, first), _root(parents, second)
        if left != right and (is_certain or sizes[left] + sizes[right] <= limit):
            sizes[min(left, right)] += sizes[max(left, right)]
            _unite(parents, left, right)
    return _group_numbers(parents)


def near_duplicates(pairs: Pairs, facts: Floats) -> Pairs:
    """Return the pairs that are near-duplicates: frames of a burst, or changed copies of an image.

    `facts`: float32 [n, 4], the facts whose differences MAX_FACT_DIFFERENCES limits. NaN means that
    a fact is unknown.
    """
    left, right = pairs.rows.T
    equal = (np.abs(facts[left] - facts[right]) <= MAX_FACT_DIFFERENCES).all(axis=1)
    return pairs.take(
        (pairs.cosine >= EQUAL_COSINE) | pairs.in_burst | ((pairs.ratio <= DUPLICATE_RATIO) & equal)
    )


def _sample(library: Half, features: Features) -> Floats:
    """Return the feature vectors of at most MAX_SCALE_SAMPLE images of the library."""
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


def _near_pairs(rows: Floats, scale: Floats) -> list[Ints]:
    """Return all pairs of rows, int64 [p, 2], whose distance along the main directions is small.

    A row has at most MAX_PAIRS pairs with later rows.
    """
    # The distance along some directions (the sketch) is at most the distance along all directions.
    # The sketches of similar images are therefore also near to each other.
    sketch = np.ascontiguousarray(rows[:, -SKETCH_DIRECTIONS:])
    squared_length = np.einsum("ij,ij->i", sketch, sketch)
    # For unit vectors x and y, |x - y|² = 2 - 2 cosine. The ratio of a pair is at most FOLD_RATIO
    # if |x - y|² is at most 2 · FOLD_RATIO · sqrt(scale of x · scale of y).
    reach = np.sqrt(2 * FOLD_RATIO * scale)
    equal, largest = 2 - 2 * EQUAL_COSINE, 2 - 2 * MIN_COSINE
    found = []
    for start in range(0, len(rows), ROW_BLOCK):
        block = slice(start, start + ROW_BLOCK)
        distance = sketch[block] @ sketch[start:].T
        distance *= -2
        distance += squared_length[block, None]
        distance += squared_length[start:]
        limit = reach[block, None] * reach[start:]
        np.clip(limit, equal, largest, out=limit)
        near = distance <= limit + 1e-4
        near &= np.arange(near.shape[1]) > np.arange(near.shape[0])[:, None]
        left, right = np.nonzero(near)
        first = np.searchsorted(left, left)  # the position of the first pair of each row
        few = np.arange(len(left)) - first < MAX_PAIRS
        found.append(np.stack([left[few], right[few]], axis=1) + start)
    return found


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


# The groups are stored as disjoint sets. The parent of a row, parents[row], is a row of the same
# group. Only the root of a group is the parent of itself.


def _root(parents: Ints, row: int) -> int:
    """Return the root of a row's group, and shorten the path from the row to the root."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _unite(parents: Ints, first: int, second: int) -> None:
    smaller, larger = sorted((_root(parents, first), _root(parents, second)))
    parents[larger] = smaller


def _group_numbers(parents: Ints) -> Ints:
    """Return the group number of each row.

    The groups are numbered from 0, in the order of the first row of each group.
    """
    roots = [_root(parents, row) for row in range(len(parents))]
    return np.unique(roots, return_inverse=True)[1]


def split(keep: Bools, groups: Ints | None = None, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Return the fold number of each row as int64 [n].

    Each group is in one fold. The keep labels and the trash labels are spread evenly over the
    folds.

    The number of folds is at most the number of labels of the rarer kind (keep or trash), and at
    least 2. If one fold is left out, the other folds therefore contain labels of both kinds. The
    only exception: if all labels of one kind are in one group, one fold contains all of them.
    """
    rarer = int(min(keep.sum(), len(keep) - keep.sum()))
    folds = max(2, min(folds, rarer))
    groups = np.arange(len(keep)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    keeps = np.bincount(group, weights=keep)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Sort the groups by size, the largest first. The small groups are placed last, so that the
    # folds have almost equal sizes.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_labels = np.zeros((folds, 2))
    fold = np.empty(len(sizes), np.int64)
    for number in order:
        kinds = np.array([keeps[number], sizes[number] - keeps[number]])
        # Choose the fold with the fewest labels of the group's kinds. If several folds have equally
        # few, choose the fold with the fewest labels of all kinds.
        load = fold_labels @ (kinds / sizes[number])
        chosen = int(np.lexsort((fold_labels.sum(axis=1), load))[0])
        fold[number] = chosen
        fold_labels[chosen] += kinds
    return fold[group]
