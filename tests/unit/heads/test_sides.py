"""The two sides of labels with grades."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.errors import UsageError
from imgscore.heads.base import Examples
from imgscore.heads.sides import MIN_SIDE, smaller_side, upper_side

GRADES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])


@given(keep=st.lists(st.booleans(), min_size=1, max_size=30))
def test_upper_side_of_keep_and_trash_is_keep(keep):
    assert upper_side(np.array(keep, np.float32)).tolist() == keep or len(set(keep)) == 1


@pytest.mark.parametrize(
    ("grades", "upper"),
    [
        ([0, 0.5, 0.7, 1], [False, False, True, True]),
        ([0.5, 0.5, 0.7, 0.9, 0.9, 1], [False, False, True, True, True, True]),
        ([0.7, 0.7, 0.7, 0.9, 0.9], [False, False, False, True, True]),
        ([0, 0, 0.5, 0.5, 0.5], [False, False, True, True, True]),
        ([0, 0, 0, 0.5, 0.5, 1], [False, False, False, True, True, True]),
    ],
)
def test_upper_side_of_grades_is_above_a_half_or_divides_evenly(grades, upper):
    assert upper_side(np.array(grades, np.float32)).tolist() == upper


@given(grades=st.lists(GRADES, min_size=1, max_size=30))
def test_upper_side_has_higher_grades_and_check_refuses_too_few(grades):
    values = np.array(grades, np.float32)
    upper = upper_side(values)
    if upper.any() and not upper.all():
        assert values[upper].min() > values[~upper].max()
    divisible = any(smaller_side(values > level) >= MIN_SIDE for level in values)
    assert (smaller_side(upper) >= MIN_SIDE) == divisible
    rows = np.zeros((len(values), 3), np.float16)
    examples = Examples(rows, values, rows)
    if divisible:
        examples.check()
    else:
        with pytest.raises(UsageError, match="too few labels"):
            examples.check()
