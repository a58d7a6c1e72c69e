"""Find out which images belong together: near-duplicates, and photographs of one burst.

The vectors of two similar images are near to each other, whatever else the library contains, and
their grids (16 × 16 means of luma) are about equal, as a whole or in part. Nothing here is fitted
to the library, so that a new image changes no other pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups import bursts
from imgscore.groups.alignment import best_alignments
from imgscore.groups.containment import MAX_AREA, either, gains
from imgscore.groups.contents import Contents
from imgscore.groups.marks import find_marks, may_be_marked
from imgscore.groups.placement import whole_windows
from imgscore.groups.shots import Shot
from imgscore.groups.verification import (
    Candidates,
    FineGrids,
    Pictures,
    are_different,
    are_parts,
    may_be_crops,
    no_fine_grids,
)
from imgscore.images.traits import GRID_SIDE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

# These limits were tuned on one half of the copies that bench/groups.py makes, and measured on the
# other half: see bench/RESULTS.md.
EQUAL_GRIDS = 0.95
"""The smallest correlation of two grids that are equal, but for compression and scaling."""
MIN_COSINE = 0.55
"""The smallest cosine of two images with equal grids: simple images can have equal grids."""
EQUAL_COSINE = 0.97
"""The smallest cosine of two similar images whose grids are about equal."""
MIN_CORRELATION = 0.7
"""The smallest correlation of the grids of images with the cosine EQUAL_COSINE."""
MIRROR_COSINE = 0.92
"""The smallest cosine of two images with mirrored grids."""
PART_LIMITS = (0.95, 0.9)
"""The smallest correlation of an image with a part of another one, and the smallest cosine. With a
cosine of 0.65, half of all drawn landscapes were parts of each other: a sky above hills fits into
any other one."""
FRAMED_PARTS = ((0.95, 0.65), (0.91, 0.8))
"""The same limits if the other image is framed. Its embedding depends on the frame or the screen,
too, so the cosine is smaller. Pairs with a smaller cosine must fit better."""
MAX_FRAME_RANGE = 8.0
"""The largest difference of luma inside an edge of a framed image, in levels from 0 to 255."""
MIN_TONES = 4.0
"""The smallest entropy of the tones in a grid, in bits, at which the limits above and mirrored
grids count. Most photographs have more. Flags, letters and icons have less: a part of one of them
often fits into another one."""
PLAIN_PARTS = (0.97, 0.93)
"""The limits of a part for images with fewer tones."""
VERIFIED_COSINE, VERIFIED_FIT = 0.75, 0.85
"""The smallest cosine and the smallest correlation of grids at which the fine grids of two images
are compared. Crops that leave out a third have cosines from 0.79."""
VERIFIED_TONES = 2.5
"""The smallest entropy of the tones in a grid, in bits, at which the usual limits count for
the details. With fewer tones, the details must agree better: a part of one drawing often fits into
another one."""
FRAMED_COSINE = 0.55
"""The smallest cosine at which the content of a framed image is compared with another image. A
screenshot and the picture in it have cosines from 0.52, and half of them more than 0.7."""
MARKED_COSINE, MARKED_CORRELATION = 0.5, 0.2
"""The smallest cosine, and the smallest correlation of the grids, at which an image and its marked
copy can be joined by their unchanged cells. Copies with large letters have cosines from 0.55,
and nearly all correlations from 0.3."""
MARKED_AREA = 0.93
"""The smallest gain of a supposed crop that can be a marked copy instead: a mark can shift the
place that is found."""
MARKED_GAIN = 1.001
"""The gain of an image over its marked copy. A gain above 1 is that of an image over its framed
copy: `best` does not compare their details then, because the details of a marked copy are mostly
those of the mark."""
FINE_BATCH = 1024
"""The number of pairs whose fine grids are in memory at once. With their sums, they use 45 MB."""
MIN_DEVIATION = 3.0
"""The smallest standard deviation of the luma in a grid, in levels from 0 to 255. In a grid with a
smaller deviation, the noise of JPEG is as large as the content."""
NEAR, PART, MIRRORED, BURST = 1, 2, 3, 4
"""The kinds of links."""


class Images(NamedTuple):
    """Images as arrays.

    `rows`: float16 or float32 [n, d], the results of `unit_rows`. `grids`: float32 [n, 256], the
    luma of the grids, from 0 to 255; zeros if a grid is not known. `aspects`: float64 [n], the
    width / height. `fine`: returns the fine grids of some images. `pixels`: width × height, int64
    [n].
    """

    rows: Floats | NDArray[np.float16]
    grids: Floats
    aspects: NDArray[np.float64]
    shots: Sequence[Shot]
    fine: FineGrids | None = None
    pixels: Ints | None = None


class Links(NamedTuple):
    """Pairs of images that belong together.

    `rows`: int64 [p, 2]. `kinds`: int64 [p], NEAR, PART, MIRRORED or BURST. `cosines`: float32 [p].
    `gains`: float32 [p], positive if the first image of a pair shows more than the second one, and
    negative if it shows less; see `containment.gains`.
    """

    rows: Ints
    kinds: Ints
    cosines: Floats
    gains: Floats


def unit_rows(embeddings: NDArray[np.float16], width: int) -> Floats:
    """Return unit vectors, float32 [n, width], of embeddings float16 [n, d].

    `width`: the number of columns of the first section. The root of values that cannot be negative
    shortens their long tail. It does not depend on the library which columns have negative values.
    """
    rows = embeddings[:, :width].astype(np.float32)
    if not (rows < 0).any():
        np.sqrt(rows, out=rows)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(length, 1e-6)
    return rows


def find_links(images: Images, pairs: Ints) -> Links:
    """Return those pairs of rows that belong together. `pairs`: int64 [p, 2], each pair once."""
    if not len(pairs):
        none = np.empty(0, np.float32)
        return Links(np.empty((0, 2), np.int64), np.empty(0, np.int64), none, none)
    left, right = pairs.T
    cosine = np.empty(len(pairs), np.float32)
    rows = images.rows.astype(np.float32)  # An image is in many pairs.
    for start in range(0, len(pairs), 1024):
        part = slice(start, start + 1024)
        cosine[part] = np.einsum("ij,ij->i", rows[left[part]], rows[right[part]])
    grids = _centred(images.grids)
    turned = grids.reshape(-1, GRID_SIDE, GRID_SIDE)[:, :, ::-1].reshape(grids.shape)
    plain = np.einsum("ij,ij->i", grids[left], grids[right])
    flipped = np.einsum("ij,ij->i", grids[left], turned[right])
    number = tones(images.grids)
    rich = np.asarray(number >= MIN_TONES)
    kinds, gain = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.float32)
    kinds[(plain >= EQUAL_GRIDS) & (cosine >= MIN_COSINE)] = NEAR
    kinds[(plain >= MIN_CORRELATION) & (cosine >= EQUAL_COSINE)] = NEAR
    _drop_other_details(images, pairs, kinds)
    mirrored = (flipped >= EQUAL_GRIDS) & (cosine >= MIRROR_COSINE) & rich[pairs].all(axis=1)
    kinds[mirrored & (kinds == 0)] = MIRRORED
    _find_parts(images, pairs, cosine, kinds, number, gain)
    _find_crops(images, pairs, kinds, gain)
    similar = np.asarray((cosine >= MARKED_COSINE) & (plain >= MARKED_CORRELATION))
    _find_marked(images, pairs, similar, kinds, number, gain)
    _apply_shots(images, pairs, cosine, kinds, gain, grids)
    gain[kinds == BURST] = 0  # The camera has moved, or its lens was zoomed.
    found = kinds > 0
    return Links(pairs[found], kinds[found], cosine[found], gain[found])


def _find_parts(
    images: Images, pairs: Ints, cosine: Floats, kinds: Ints, number: Floats, gain: Floats
) -> None:
    """Set the kind and the gain of the pairs of which one image shows a part of the other one.

    `number`: the entropy of the tones of each image, float32 [n]. That of the shown image counts.
    If the fine grid of an image is not known, only the grids are compared, with stricter limits.
    """
    framed = is_framed(images.grids)
    floor = np.where(framed[pairs].any(axis=1), FRAMED_COSINE, VERIFIED_COSINE)
    near = np.flatnonzero((kinds == 0) & (cosine >= floor))
    if not len(near):
        return
    rich, plain = number >= MIN_TONES, number < VERIFIED_TONES
    rows = np.unique(pairs[near])
    contents = Contents(rows, images.fine or no_fine_grids)
    both: Bools = np.asarray(contents.known[np.searchsorted(rows, pairs[near])].all(axis=1))
    # One search for all pairs is much faster than one for each batch.
    first, second = pairs[near].T
    both_ways = np.concatenate([first, second]), np.concatenate([second, first])
    found = best_alignments(images.grids, images.aspects, *both_ways)
    fits = [found.of(slice(len(near))), found.of(slice(len(near), None))]
    coarse = [fit.correlations[~both] for fit in fits]
    _find_coarse_parts(images, pairs, cosine, kinds, rich, near[~both], coarse)
    near, fits = near[both], [fit.of(both) for fit in fits]
    contained = [
        contents.may_be(images.grids, whole, np.searchsorted(rows, other))
        for whole, other in (_sides(pairs[near], side) for side in (0, 1))
    ]
    chosen = [np.asarray(fit.correlations >= VERIFIED_FIT) for fit in fits]
    wanted = np.flatnonzero(contained[0] | contained[1] | chosen[0] | chosen[1])
    for start in range(0, len(wanted), FINE_BATCH):
        at = wanted[start : start + FINE_BATCH]
        part, shown = near[at], np.unique(pairs[near[at]])
        fine, _ = (images.fine or no_fine_grids)(shown)
        pictures = Pictures(fine)
        unframed = contents.windows[np.searchsorted(rows, shown)]
        place = np.searchsorted(shown, pairs[part])
        quotients = images.aspects[pairs[part, 1]] / images.aspects[pairs[part, 0]]
        for side in (0, 1):
            pair = Candidates(*_sides(place, side), quotients, plain[pairs[part, side]])
            windows = unframed[pair.other], fits[side].windows[at]
            tried = list(zip((contained[side][at], chosen[side][at]), windows, strict=True))
            same, part_gain = _verified(pictures, pair, tried)
            kinds[part[same]] = PART
            part_gain *= 2 * side - 1
            gain[part[same]] = either(gain[part[same]], part_gain[same])
            quotients = 1 / quotients


def _sides(pairs: Ints, side: int) -> tuple[Ints, Ints]:
    """Return one image of each pair, and the other one. `side`: 0 or 1, the first one."""
    return pairs[:, side], pairs[:, 1 - side]


def _drop_other_details(images: Images, pairs: Ints, kinds: Ints) -> None:
    """Clear the kind of pairs with equal grids and other details, such as pages of one layout."""
    equal = np.flatnonzero(kinds == NEAR)
    if images.fine is None:
        return
    for start in range(0, len(equal), FINE_BATCH):
        chosen = equal[start : start + FINE_BATCH]
        rows = np.unique(pairs[chosen])
        fine, known = images.fine(rows)
        at = np.searchsorted(rows, pairs[chosen])
        differ = known[at].all(axis=1) & are_different(fine, at)
        kinds[chosen[differ]] = 0


def _verified(
    pictures: Pictures, pairs: Candidates, tried: Sequence[tuple[Bools, NDArray[np.float64]]]
) -> tuple[Bools, Floats]:
    """Return whether the details of whole images agree with a part of the other ones, bool [p].

    `tried`: which pairs are compared, bool [p], and the first windows, float64 [p, 4]. Also return
    the gains of the other images, float32 [p].
    """
    same, gain = np.zeros(len(pairs.whole), np.bool_), np.zeros(len(pairs.whole), np.float32)
    for wanted, starts in tried:
        chosen = np.flatnonzero(wanted & ~same)
        some = pairs.of(chosen)
        same[chosen], windows = are_parts(pictures, some, starts[chosen])
        found = same[chosen]
        gain[chosen[found]] = gains(windows[found], pictures.fine[some.other[found]])
    return same, gain


def _find_crops(images: Images, pairs: Ints, kinds: Ints, gain: Floats) -> None:
    """Set the gain of the pairs with about equal grids of which one image is a crop of the other.

    A crop that leaves out a tenth of an image has about its grid.
    """
    near = np.flatnonzero(kinds == NEAR)
    if images.fine is None:
        return
    for start in range(0, len(near), FINE_BATCH):
        rows = np.unique(pairs[near[start : start + FINE_BATCH]])
        fine, known = images.fine(rows)
        at = np.searchsorted(rows, pairs[near[start : start + FINE_BATCH]])
        both = known[at].all(axis=1)
        chosen, at = near[start : start + FINE_BATCH][both], at[both]
        if not len(chosen):
            continue
        pictures = Pictures(fine)
        quotients = images.aspects[pairs[chosen, 1]] / images.aspects[pairs[chosen, 0]]
        for side in (0, 1):
            some = np.flatnonzero(may_be_crops(pictures, *_sides(at, side)))
            sides, plain = _sides(at[some], side), np.zeros(len(some), np.bool_)
            pair = Candidates(*sides, quotients[some], plain)
            # The gain of a larger part would be 0.
            same, windows = are_parts(pictures, pair, whole_windows(len(some)), MAX_AREA)
            found = gains(windows[same], pictures.fine[pair.other[same]]) * (2 * side - 1)
            crops = chosen[some[same]]
            gain[crops] = either(gain[crops], found)
            quotients = 1 / quotients


def _find_coarse_parts(
    images: Images, pairs: Ints, cosine: Floats, kinds: Ints, rich: Bools,
    near: Ints, fits: Sequence[Floats],
) -> None:  # fmt: skip
    """Set the kind of the pairs `near` by their grids alone. `fits`: the correlations [p] of the
    first image with a part of the second one, and of the second image with a part of the first one.
    """
    framed = is_framed(images.grids)
    for side in (0, 1):
        first, second = pairs[near, side], pairs[near, 1 - side]
        for (correlation, least), counts in (
            (PART_LIMITS, rich[first]),
            *((limits, rich[first] & framed[second]) for limits in FRAMED_PARTS),
            (PLAIN_PARTS, True),
        ):
            kinds[near[counts & (fits[side] >= correlation) & (cosine[near] >= least)]] = PART


def is_framed(grids: Floats) -> Bools:
    """Return whether two opposite edges of each image have one tone, bool [n].

    This is so for a picture in a frame, and for a screenshot with bars at its edges.
    """
    cells = grids.reshape(-1, GRID_SIDE, GRID_SIDE)
    edges = (cells[:, 0], cells[:, -1], cells[:, :, 0], cells[:, :, -1])
    top, bottom, left, right = (np.ptp(edge, axis=1) <= MAX_FRAME_RANGE for edge in edges)
    return np.asarray((top & bottom) | (left & right))


def tones(grids: Floats) -> Floats:
    """Return the entropy of the luma of each grid in bits, float32 [n]: from 0 to 6."""
    entropy = np.empty(len(grids), np.float32)
    for start in range(0, len(grids), 4096):
        block = np.minimum(grids[start : start + 4096], 255).astype(np.int64) // 4
        bins = block + 64 * np.arange(len(block))[:, None]
        share = np.bincount(bins.ravel(), minlength=64 * len(block)).reshape(-1, 64)
        share = share / grids.shape[1]
        entropy[start : start + 4096] = -(share * np.log2(np.maximum(share, 1e-9))).sum(axis=1)
    return entropy


def _find_marked(
    images: Images, pairs: Ints, similar: Bools, kinds: Ints, number: Floats, gain: Floats
) -> None:
    """Set the gain of the pairs of which one image is a marked copy, and join marked copies.

    A large mark changes the embedding and the grid. `similar`: whether both are about equal, bool
    [p]. `number`: see `_find_parts`.
    """
    if images.fine is None:
        return
    left, right = pairs.T
    joined = (kinds == 0) & similar
    joined &= (number[pairs] >= VERIFIED_TONES).all(axis=1)
    at = np.flatnonzero(joined)
    for start in range(0, len(at), FINE_BATCH):
        part = at[start : start + FINE_BATCH]
        joined[part] = may_be_marked(images.grids[left[part]], images.grids[right[part]])
    whole = (gain == 0) | ((np.abs(gain) >= MARKED_AREA) & (np.abs(gain) < 1))
    tried = np.flatnonzero(joined | (((kinds == NEAR) | (kinds == PART)) & whole))
    for start in range(0, len(tried), FINE_BATCH):
        chosen = tried[start : start + FINE_BATCH]
        rows = np.unique(pairs[chosen])
        fine, known = images.fine(rows)
        at = np.searchsorted(rows, pairs[chosen])
        both = known[at].all(axis=1)
        chosen, at = chosen[both], at[both]
        sides, same = find_marks(fine, at)
        used = (sides != 0) & (same | (kinds[chosen] > 0))
        gain[chosen[used]] = sides[used] * MARKED_GAIN
        kinds[chosen[used & (kinds[chosen] == 0)]] = NEAR


def _apply_shots(
    images: Images, pairs: Ints, cosine: Floats, kinds: Ints, gain: Floats, grids: Floats
) -> None:
    """Set the kind of the pairs of a burst, and clear the kind of those of a series.

    Versions of one photograph stay near-duplicates.
    """
    pixels = np.zeros(len(grids), np.int64) if images.pixels is None else images.pixels
    photographs = bursts.Photographs(images.shots, grids, images.aspects, pixels, images.fine)
    changed = np.asarray((gain != 0) | (kinds == MIRRORED))
    found = bursts.judge(photographs, pairs, cosine, kinds > 0, changed)
    kinds[found == bursts.SEPARATE] = 0
    kinds[(found == bursts.SAME_FRAME) & (kinds == 0)] = NEAR
    kinds[found == bursts.FRAMES] = BURST


def _centred(grids: Floats) -> Floats:
    """Return grids centred and of unit length. The row of a flat or unknown grid is zero."""
    centred = grids - grids.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    clear = length >= MIN_DEVIATION * GRID_SIDE
    return np.asarray(np.where(clear, centred / np.maximum(length, 1e-6), 0), np.float32)
