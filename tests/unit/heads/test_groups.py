"""Near-duplicates and folds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.groups import near_duplicates, split
from imgscore.heads.library import fit_features


def test_near_duplicates_noisy_copies_share_a_group():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(50, 60)).astype(np.float16)
    copies = values[:10] + generator.normal(size=(10, 60)).astype(np.float16) * np.float16(0.01)
    groups = near_duplicates(np.concatenate([values, copies]), fit_features(values))
    assert np.array_equal(groups[50:], groups[:10])
    assert len(np.unique(groups)) == 50


def test_near_duplicates_burst_must_be_similar_and_close_in_time():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(40, 60)).astype(np.float16)
    # Row 1 is similar to row 0 (cosine about 0.9), row 2 is not.
    values[1] = values[0] + np.float16(0.45) * values[1]
    features = fit_features(values)
    taken = np.full(40, np.nan)
    taken[:3] = [100.0, 101.0, 102.0]
    assert len(np.unique(near_duplicates(values, features))) == 40
    groups = near_duplicates(values, features, taken)
    assert groups[0] == groups[1] != groups[2]
    taken[1] = 500.0
    assert len(np.unique(near_duplicates(values, features, taken))) == 40


@given(
    groups=st.lists(st.integers(0, 12), min_size=4, max_size=60),
    seed=st.integers(0, 50),
    folds=st.integers(2, 10),
)
def test_split_keeps_each_group_in_one_fold(groups, seed, folds):
    keep = np.random.default_rng(seed).random(len(groups)) < 0.4
    keep[:4] = [True, True, False, False]
    fold = split(keep, np.array(groups), folds)
    for group in set(groups):
        assert len(np.unique(fold[np.array(groups) == group])) == 1
    assert fold.max() < folds


@given(count=st.integers(4, 80), seed=st.integers(0, 50))
def test_split_without_groups_leaves_both_kinds_outside_each_fold(count, seed):
    keep = np.random.default_rng(seed).random(count) < 0.3
    keep[:4] = [True, True, False, False]
    fold = split(keep)
    for number in np.unique(fold):
        assert len(np.unique(keep[fold != number])) == 2


def test_near_duplicates_equal_times_join_only_similar_images():
    values = np.random.default_rng(0).normal(size=(100, 60)).astype(np.float16)
    groups = near_duplicates(values, fit_features(values), np.zeros(100))
    assert len(np.unique(groups)) == 100
