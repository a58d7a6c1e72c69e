"""Tests of imgscore.heads.components."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.components import group_numbers, roots_of

ROWS = 12
PAIRS = st.lists(st.tuples(*[st.integers(0, ROWS - 1)] * 2), max_size=14)


@given(PAIRS)
def test_roots_of_any_pairs_are_the_smallest_connected_rows(pairs):
    joined = np.eye(ROWS, dtype=bool)
    for left, right in pairs:
        joined[left, right] = joined[right, left] = True
    reached = np.linalg.matrix_power(joined.astype(int), ROWS) > 0
    roots = roots_of(np.array(pairs, np.int64).reshape(-1, 2), ROWS)
    assert np.array_equal(roots, reached.argmax(axis=1))


def test_roots_of_a_long_chain_are_its_first_row():
    row = np.arange(20_000)
    order = np.random.default_rng(0).permutation(len(row) - 1)
    assert not roots_of(np.stack([row[:-1], row[1:]], axis=1)[order], len(row)).any()


def test_group_numbers_follow_the_first_rows():
    assert group_numbers(np.array([0, 0, 2, 0, 4, 2])).tolist() == [0, 0, 1, 0, 2, 1]
