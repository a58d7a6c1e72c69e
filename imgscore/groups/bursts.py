"""Find out which pairs of photographs are bursts, series, or versions of one photograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.shots import Shot, are_burst, are_series, gap
from imgscore.groups.verification import FineGrids, are_equal
from imgscore.images.traits import GRID_SIDE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BURSTS = ((-1.0, 0.85), (0.6, 0.75))
"""The smallest correlations of the grids of two photographs of one burst, each with the smallest
cosine. If the camera or the subject moves, the grids differ."""
PANORAMA_SHIFTS = range(3, 12)
"""The distances in cells by which the second photograph of a panorama may be shifted."""
PANORAMA_GAIN = 0.1
"""The smallest gain of correlation if the grids of a panorama are shifted."""
MAX_DISTORTION = 0.03
"""The largest natural logarithm of the quotient of the aspect ratios of two frames of a camera."""

UNKNOWN, SEPARATE, SAME_FRAME, FRAMES = 0, 1, 2, 3
"""The relations of two photographs: not known; frames of a bracket or a panorama; versions of one
photograph; frames of a burst."""


class Photographs(NamedTuple):
    """The facts about photographs. `grids`: centred and of unit length, float32 [n, 256].

    `aspects`: the width / height, float64 [n]. `pixels`: width × height, int64 [n]; 0: not known.
    `fine`: see `find.Images`.
    """

    shots: Sequence[Shot]
    grids: Floats
    aspects: NDArray[np.float64]
    pixels: Ints
    fine: FineGrids | None


def judge(
    photographs: Photographs, pairs: Ints, cosine: Floats, linked: Bools, changed: Bools
) -> Ints:
    """Return what the pairs of rows are, int64 [p]: UNKNOWN, SEPARATE, SAME_FRAME or FRAMES.

    `linked`: whether the pictures are similar, bool [p]. `changed`: whether one of them is a crop,
    or is mirrored, framed or marked, bool [p].

    Blank photographs, such as those of a lens cap, are no burst.
    """
    found = np.full(len(pairs), UNKNOWN, np.int64)
    has_camera = np.array([bool(shot.camera) for shot in photographs.shots], np.bool_)
    for at in np.flatnonzero(has_camera[pairs].all(axis=1)).tolist():
        pair = pairs[at]
        first, second = (photographs.shots[row] for row in pair.tolist())
        one, two = photographs.grids[pair]
        if are_series(first, second):
            found[at] = SEPARATE
        elif are_burst(first, second) and one.any() and two.any():
            at_once = gap(first, second) == 0
            edited = at_once and _are_edited(photographs, pair)
            if linked[at] and at_once and (edited or changed[at] or _are_equal(photographs, pair)):
                found[at] = SAME_FRAME
                continue
            correlation = float(one @ two)
            if any(correlation >= least and cosine[at] >= alike for least, alike in BURSTS):
                found[at] = SAME_FRAME if edited else FRAMES
                if _is_shifted(one, two):
                    found[at] = SEPARATE
    return found


def _are_edited(photographs: Photographs, pair: Ints) -> bool:
    """Return whether two photographs with equal times are versions of one, by their numbers.

    No camera takes two photographs in one hundredth of a second, or changes the size of its
    photographs within one second. A screenshot or a crop that has the EXIF data of a photograph has
    another size. A camera can turn a photograph, so the numbers of pixels are compared. If they are
    not known, the aspect ratios are compared.
    """
    if photographs.shots[int(pair[0])].seconds % 1 > 0:
        return True
    first, second = photographs.pixels[pair].tolist()
    if first and second:
        return bool(first != second)
    quotient = photographs.aspects[pair[0]] / photographs.aspects[pair[1]]
    return bool(abs(np.log(quotient)) > MAX_DISTORTION)


def _are_equal(photographs: Photographs, pair: Ints) -> bool:
    """Return whether the details of two photographs are equal, but for scaling and compression.

    A camera takes several photographs within a second, which differ at least a little.
    """
    if photographs.fine is None:
        return False
    fine, known = photographs.fine(pair)
    return bool(known.all()) and are_equal(fine[0], fine[1])


def _is_shifted(left: Floats, right: Floats) -> bool:
    """Return whether two grids overlap only in part, like neighbours in a panorama."""
    first, second = (grid.reshape(GRID_SIDE, GRID_SIDE) for grid in (left, right))
    unshifted = float(left @ right)
    best = max(
        _correlation(one[:, shift:], other[:, :-shift])
        for shift in PANORAMA_SHIFTS
        for one, other in (
            (first, second), (second, first), (first.T, second.T), (second.T, first.T),
        )
    )  # fmt: skip
    return best >= 0.9 and best >= unshifted + PANORAMA_GAIN


def _correlation(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / length if length > 1e-3 else 0.0
