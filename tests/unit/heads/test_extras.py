"""Traits as numbers."""

import msgspec
import numpy as np
import pytest

from imgscore.heads.extras import NAMES, extras_of, taken_of
from imgscore.images.traits import Traits


def test_extras_of_unknown_traits_is_nan():
    traits = Traits(width=200, height=100, format="JPEG", bytes_per_pixel=0.5, alpha=False)
    extras = extras_of([traits, None])
    assert extras.shape == (2, len(NAMES))
    assert np.exp(extras[0, NAMES.index("aspect")]) == pytest.approx(2)
    assert np.isnan(extras[1]).all()


def test_taken_of_gives_seconds_or_nan():
    traits = Traits(
        width=10, height=5, format="PNG", bytes_per_pixel=1.0, taken="2024-05-06T12:34:56"
    )
    later = msgspec.structs.replace(traits, taken="2024-05-06T12:34:58")
    undated = msgspec.structs.replace(traits, taken="")
    first, second, *unknown = taken_of([traits, later, undated, None])
    assert second - first == 2 and np.isnan(unknown).all()
