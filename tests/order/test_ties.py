"""Ties never cost more than 0.005 of rank correlation, whatever noise is claimed."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.order.agreement import Standing, wanted_order
from imgscore.order.ties import knots, tie_deviation


@pytest.mark.parametrize("noise", [0.01, 0.1, 1e9])
@pytest.mark.parametrize("bunching", [1.0, 6.0])
def test_the_rank_correlation_keeps_its_bound(noise: float, bunching: float) -> None:
    chance = random.Random(int(noise * 100))
    count = 3_000
    scores = sorted(chance.random() ** bunching for _ in range(count))
    table = knots(scores)
    # The worst that may stand: a shuffle, and the reverse of the order wanted.
    for seconds in (chance.sample(range(count), count), range(count, 0, -1)):
        standings = [
            Standing(2 * second, True, score, tie_deviation(score, noise, table), b"")
            for second, score in zip(seconds, scores, strict=True)
        ]
        shift = np.argsort(wanted_order(standings)) - np.arange(count)
        assert 6 * np.sum(shift.astype(float) ** 2) / (count * (count**2 - 1)) <= 0.005


@given(st.lists(st.floats(0, 1), max_size=300), st.floats(0, 1), st.floats(0, 1))
def test_a_deviation_is_never_more_than_the_noise(
    scores: list[float], score: float, noise: float
) -> None:
    assert 0 <= tie_deviation(score, noise, knots(scores)) <= noise
