"""AUC, average precision, log loss and reliability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads import intervals
from imgscore.heads.measures import Ranking, quality


@given(
    score=st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.9]), min_size=2, max_size=30),
    seed=st.integers(0, 99),
)
def test_auc_equals_probability_that_keep_outranks_trash(score, seed):
    keep = np.random.default_rng(seed).random(len(score)) < 0.5
    keep[:2] = [True, False]
    values = np.array(score)
    outranks = np.sign(values[keep][:, None] - values[~keep])
    assert Ranking(values, keep).auc() == pytest.approx(0.5 + outranks.mean() / 2)
    doubled = Ranking(np.tile(values, 2), np.tile(keep, 2))
    assert Ranking(values, keep).auc(np.full(len(keep), 2.0)) == pytest.approx(doubled.auc())


@pytest.mark.parametrize("count", [4, 20, 100, 1000])
def test_quality_of_perfect_scores_has_intervals_that_shrink_with_the_labels(count):
    """A perfect order of few labels is no proof: its interval is never a single point."""
    keep = np.arange(count) % 2 == 0
    measured = quality(np.where(keep, 0.9, 0.1).astype(np.float32), keep)
    for figure in (measured.auc, measured.average_precision, measured.accuracy):
        assert figure.value == figure.high == 1
        assert 0.5 / count < 1 - figure.low < 20 / count
    twice = np.repeat(np.arange(count), 2)  # each image and its copy
    doubled = quality(
        np.repeat(np.where(keep, 0.9, 0.1), 2).astype(np.float32), np.repeat(keep, 2), twice
    )
    assert doubled.auc.low == pytest.approx(measured.auc.low, abs=1e-3)
    assert doubled.accuracy == measured.accuracy


@given(
    value=st.floats(0, 1),
    keeps=st.integers(1, 500),
    trashes=st.integers(1, 500),
)
def test_intervals_contain_their_value_and_stay_within_0_and_1(value, keeps, trashes):
    for figure in (
        intervals.of_auc(value, keeps, trashes),
        intervals.of_proportion(value, keeps),
    ):
        assert 0 <= figure.low <= value <= figure.high <= 1
        assert figure.high > figure.low


def test_interval_of_a_proportion_contains_the_truth_in_95_of_100_cases():
    generator = np.random.default_rng(0)
    drawn = generator.binomial(30, 0.85, 2000) / 30
    inside = [
        figure.low <= 0.85 <= figure.high
        for figure in (intervals.of_proportion(float(value), 30) for value in drawn)
    ]
    assert np.mean(inside) >= 0.95


def test_quality_perfect_order_has_auc_1():
    keep = np.arange(100) >= 50
    measured = quality(np.where(keep, 0.9, 0.1).astype(np.float32), keep)
    assert (measured.auc.value, measured.average_precision.value) == (1, 1)
    assert measured.log_loss.value == pytest.approx(-np.log(0.9))
    assert [(item.count, item.keep) for item in measured.reliability] == [(50, 0), (50, 1)]
