"""Checks of a head that was read from a file: its arrays must fit together, and it must score.

A file can come from another person, or from a damaged disk. A score that is not a number could not
be sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError
from imgscore.heads.arrays import Floats
from imgscore.heads.base import Head, Scores
from imgscore.heads.extras import NAMES

MAX_VALUE = 1e7
"""The largest absolute value in the arrays of a head. The largest values of trained heads are the
scales of features: at most 1 / arrays.EPSILON, which is 1e6."""
TRIAL_ROWS = 32
"""The number of made-up embeddings that a head must score. They take a few milliseconds."""


def require(condition: bool, problem: str) -> None:
    """Raise ValueError with the text `problem` if the condition is false."""
    if not condition:
        raise ValueError(problem)


def check_values(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError if an array of a head contains no floats, or a float out of bounds."""
    for name, array in arrays.items():
        require(array.dtype.kind == "f", f"{name} does not contain floats")
        largest = float(np.abs(array).max(initial=0))
        # The comparison is also false for NaN.
        require(largest <= MAX_VALUE, f"{name} contains a number that is not finite, or too large")


def check_trial(head: Head) -> None:
    """Raise ValueError if the scores of made-up images are not probabilities."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((TRIAL_ROWS, head.dimensions)) * 10.0 ** random.integers(
        -3, 4, (TRIAL_ROWS, 1)
    )
    rows[0] = 0
    extras = random.standard_normal((TRIAL_ROWS, len(NAMES))).astype(np.float32)
    extras[1] = np.nan
    for columns in (None, extras):
        scores = head.score(rows.astype(np.float16), columns)
        require(_are_scores(scores), "the scores of the head are not probabilities")


def checked(scores: Scores, version: str) -> Scores:
    """Return `scores`. Raises ImgscoreError if a score is not a probability.

    `version`: the version of the head, for the message.
    """
    if not _are_scores(scores):
        raise ImgscoreError(
            f"head {version} gives scores that are not probabilities",
            "use another head: imgscore heads list, or train a new one: imgscore train",
        )
    return scores


def _are_scores(scores: Scores) -> bool:
    return _are_within(scores.score, 1.0) and _are_within(scores.deviation, np.inf)


def _are_within(values: Floats, limit: float) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values <= limit).all())
