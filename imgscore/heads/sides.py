"""The two sides of labels with grades: the upper side is keep if there are only keep and trash.

A grade is a number from 0 (trash) to 1 (keep). Folds and checks divide all labels into two sides.
"""

from __future__ import annotations

import numpy as np

from imgscore.grades import UNDECIDED
from imgscore.heads.arrays import Bools, Floats

MIN_SIDE = 2
"""The smallest number of labels of each side that a head needs. Cross-validation trains without
some of the labels, and at least one label of each side must remain."""


def upper_side(grades: Floats) -> Bools:
    """Return bool [n]: True for each label of the upper side.

    `grades`: float32 [n].

    The labels above 0.5 are the upper side if each side then has at least MIN_SIDE labels.
    Otherwise, all labels above some other grade are the upper side. This grade is chosen so that
    the smaller side is as large as possible. For example, the sides of the grades 0.5, 0.7 and 0.9
    divide these labels as evenly as possible.
    """
    upper = np.asarray(grades > UNDECIDED)
    if smaller_side(upper) >= MIN_SIDE:
        return upper
    levels = np.unique(grades)[:-1]
    cuts = [np.asarray(grades > level) for level in levels]
    return max(cuts, key=smaller_side, default=upper)


def is_graded(grades: Floats) -> bool:
    """Return whether labels have grades other than 0 (trash) and 1 (keep)."""
    return bool(((grades != 0) & (grades != 1)).any())


def smaller_side(upper: Bools) -> int:
    """Return the number of labels of the smaller side."""
    count = int(np.count_nonzero(upper))
    return min(count, len(upper) - count)
