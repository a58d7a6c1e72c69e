"""AUC, average precision, log loss and reliability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_quality_perfect_order_has_auc_1():
    keep = np.arange(100) >= 50
    measured = quality(np.where(keep, 0.9, 0.1).astype(np.float32), keep)
    assert (measured.auc.value, measured.average_precision.value) == (1, 1)
    assert measured.log_loss.value == pytest.approx(-np.log(0.9))
    assert [(item.count, item.keep) for item in measured.reliability] == [(50, 0), (50, 1)]
