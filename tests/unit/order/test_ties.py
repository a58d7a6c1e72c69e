"""The cost of ties in rank correlation, and the touches that they save."""

import random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.order.stable_order import OrderItem, longest_stable, wanted_order
from imgscore.order.ties import MAX_SHIFT, knots, tie_deviation


def correlation_lost(order: npt.NDArray[np.int64]) -> float:
    """1 - Spearman's correlation of an order of 0..n-1 with that of its numbers."""
    count = len(order)
    shift = (np.argsort(order) - np.arange(count)).astype(float)
    return float(6 * np.sum(shift**2) / (count * (count**2 - 1)))


@pytest.mark.parametrize("bunching", [1.0, 6.0])
@pytest.mark.parametrize("max_shift", [0.0144, MAX_SHIFT])
def test_tie_deviation_for_any_noise_keeps_the_correlation_bound(
    bunching: float, max_shift: float
) -> None:
    chance = random.Random(8)
    count = 3_000
    scores = sorted(chance.random() ** bunching for _ in range(count))
    table = knots(scores, max_shift)
    block = int(2 * max_shift * count)
    for seconds in (
        chance.sample(range(count), count),
        range(count, 0, -1),
        [i - i % block + block - i % block for i in range(count)],  # each block is reversed
    ):
        items = [
            OrderItem(2 * second, True, score, tie_deviation(score, 1e9, table), b"")
            for second, score in zip(seconds, scores, strict=True)
        ]
        assert correlation_lost(np.array(wanted_order(items))) <= 24 * max_shift**2


def test_tie_deviation_with_retrained_heads_saves_touches_at_little_cost() -> None:
    chance = np.random.default_rng(6)
    count = 1_000
    truth = np.sort(chance.random(count))
    exact, tied = list(range(count)), list(range(count))
    moved = {"exact": 0, "tied": 0}
    for _ in range(20):
        scores = truth + chance.normal(scale=0.02, size=count)
        table = knots(scores.tolist())
        ranks = np.argsort(np.argsort(scores))
        for name, order in (("exact", exact), ("tied", tied)):
            place = np.argsort(order)
            items = [
                OrderItem(
                    2 * int(place[i]),
                    True,
                    score,
                    tie_deviation(score, 0.05, table) if name == "tied" else 0.0,
                    b"",
                )
                for i, score in enumerate(scores.tolist())
            ]
            moved[name] += count - len(longest_stable(items))
            order[:] = wanted_order(items)
        assert correlation_lost(ranks[tied]) <= 0.005
        assert correlation_lost(ranks[exact]) == 0
    assert moved["tied"] < moved["exact"] / 5


@given(st.lists(st.floats(0, 1), max_size=300), st.floats(0, 1), st.floats(0, 1))
def test_tie_deviation_is_at_most_the_noise(
    scores: list[float], score: float, noise: float
) -> None:
    assert 0 <= tie_deviation(score, noise, knots(scores)) <= noise
