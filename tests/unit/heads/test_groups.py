"""Near-duplicates and folds."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.groups import near_duplicates, split
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import fit_features, of_library


def test_copies_with_noise_share_a_group():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(50, 60)).astype(np.float16)
    copies = values[:10] + generator.normal(size=(10, 60)).astype(np.float16) * np.float16(0.01)
    groups = near_duplicates(np.concatenate([values, copies]), fit_features(values))
    assert np.array_equal(groups[50:], groups[:10])
    assert len(np.unique(groups)) == 50


def test_a_burst_is_one_group_only_while_it_looks_alike():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(40, 60)).astype(np.float16)
    # 1 is like 0 (cosine about .9), 2 is not
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
def test_folds_never_part_a_group(groups, seed, folds):
    keep = np.random.default_rng(seed).random(len(groups)) < 0.4
    keep[:4] = [True, True, False, False]
    fold = split(keep, np.array(groups), folds)
    for group in set(groups):
        assert len(np.unique(fold[np.array(groups) == group])) == 1
    assert fold.max() < folds


@given(count=st.integers(4, 80), seed=st.integers(0, 50))
def test_without_groups_every_fold_leaves_both_kinds_to_train_on(count, seed):
    keep = np.random.default_rng(seed).random(count) < 0.3
    keep[:4] = [True, True, False, False]
    fold = split(keep)
    for one in np.unique(fold):
        assert len(np.unique(keep[fold != one])) == 2


def test_a_clock_that_stands_still_joins_nothing_that_is_not_alike():
    values = np.random.default_rng(0).normal(size=(100, 60)).astype(np.float16)
    groups = near_duplicates(values, fit_features(values), np.zeros(100))
    assert len(np.unique(groups)) == 100


def test_features_that_found_the_groups_are_the_heads_too(made_up):
    examples = made_up(40)
    features = of_library(examples)
    head = KernelRecipe().fit(replace(examples, features=features)).head
    assert head.features is features
    alone = KernelRecipe().fit(examples).head
    assert np.array_equal(alone.score(examples.background), head.score(examples.background))
