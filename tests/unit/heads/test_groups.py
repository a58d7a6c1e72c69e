"""Near-duplicates and folds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.heads.groups import MAX_GROUP_SHARE, fold_groups, split
from imgscore.heads.library import fit_features
from imgscore.heads.similar import EQUAL_COSINE, Pairs, near_duplicates, similar_pairs

NO_FACTS = np.zeros((100, 4), np.float32)


def pairs_of(values, taken=None):
    grids = np.zeros((len(values), 256), np.float32)
    return found_pairs(values, fit_features(values), grids, taken)


def found_pairs(values, features, grids, taken=None):
    return similar_pairs(features.projected(values), features, values, grids, taken)


def test_near_duplicates_noisy_copies_share_a_group():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(50, 60)).astype(np.float16)
    copies = values[:10] + generator.normal(size=(10, 60)).astype(np.float16) * np.float16(0.01)
    values = np.concatenate([values, copies])
    pairs = pairs_of(values)
    groups = near_duplicates(pairs, NO_FACTS[:60]).groups()
    assert np.array_equal(groups[50:], groups[:10])
    assert len(np.unique(groups)) == 50
    assert np.array_equal(fold_groups(pairs), groups)


def test_similar_pairs_finds_changed_copies_by_the_scale_of_the_library():
    """A copy with a cosine of .9 is found among strangers, but not in a library of one motif."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(60, 60))
    values[30:] = values[:30] + 0.45 * generator.normal(size=(30, 60))
    pairs = pairs_of(values.astype(np.float16))
    assert {(int(a), int(b)) for a, b in pairs.rows} == {(row, row + 30) for row in range(30)}
    values = generator.normal(size=60) + 0.45 * generator.normal(size=(60, 60))
    features = fit_features(generator.normal(size=(200, 60)).astype(np.float16))
    alike = values.astype(np.float16)
    assert len(found_pairs(alike, features, np.zeros((60, 256), np.float32)).rows) == 0


def test_similar_pairs_finds_copies_by_their_grids():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(60, 60))
    values[30:] = values[:30] + 0.9 * generator.normal(size=(30, 60))  # a cosine of about .74
    grids = generator.normal(size=(60, 256)).astype(np.float32)
    grids[30:] = grids[:30] + 0.1 * grids[30:]
    grids[0] = 0
    grids[1:] /= np.linalg.norm(grids[1:], axis=1, keepdims=True)
    values = values.astype(np.float16)
    pairs = found_pairs(values, fit_features(values), grids)
    found = {(int(a), int(b)) for a, b in pairs.rows[pairs.certain]}
    assert found == {(row, row + 30) for row in range(1, 30)}


def test_near_duplicates_with_other_facts_are_only_in_one_fold():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(60, 60))
    values[30:] = values[:30] + 0.45 * generator.normal(size=(30, 60))
    pairs = pairs_of(values.astype(np.float16))
    facts = np.zeros((60, 4), np.float32)
    facts[0, 0], facts[1, 1] = 1, np.nan
    groups, copies = fold_groups(pairs), near_duplicates(pairs, facts).groups()
    assert (groups[:30] == groups[30:]).all()
    assert (copies[:30] == copies[30:])[2:].any() and not (copies[:30] == copies[30:])[:2].any()


def test_fold_groups_of_a_chain_are_limited():
    count = 100
    rows = np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)
    cosine, ratio = np.full(count - 1, 0.7, np.float32), np.full(count - 1, 0.4, np.float32)
    chain = Pairs(count, rows, cosine, ratio, 0 * ratio, np.zeros(count - 1, bool))
    assert np.bincount(fold_groups(chain)).max() <= MAX_GROUP_SHARE * count
    assert len(np.unique(chain.groups())) == 1
    certain = chain._replace(cosine=np.full(count - 1, EQUAL_COSINE, np.float32))
    assert len(np.unique(fold_groups(certain))) == 1


def test_near_duplicates_burst_must_be_similar_and_close_in_time():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(40, 60)).astype(np.float16)
    # Row 1 is similar to row 0 (cosine about 0.85) but has another brightness. Row 2 is different.
    values[1] = values[0] + np.float16(0.6) * values[1]
    taken = np.full(40, np.nan)
    taken[:3] = [100.0, 101.0, 102.0]
    facts = np.zeros((40, 4), np.float32)
    facts[1, 1] = 1

    def groups_at(taken):
        return near_duplicates(pairs_of(values, taken), facts).groups()

    assert len(np.unique(groups_at(None))) == 40
    groups = groups_at(taken)
    assert groups[0] == groups[1] != groups[2]
    taken[1] = 500.0
    assert len(np.unique(groups_at(taken))) == 40


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
    assert len(pairs_of(values, np.zeros(100)).rows) == 0


def test_split_two_keeps_makes_two_folds():
    """With single labels left out, the held-out AUC of ten labels is about .2 instead of .7."""
    keep = np.arange(10) < 2
    fold = split(keep)
    assert fold.max() == 1
    assert sorted(fold[keep]) == [0, 1]


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_fold_groups_of_any_pairs_join_the_nearest_first(seed):
    """The result is that of a loop over the pairs, also across blocks of pairs."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 300))
    shape = int(generator.integers(0, 10 * count)), 2
    rows = np.sort(generator.integers(0, count, shape), axis=1)
    ratio = generator.random(len(rows)).astype(np.float32)
    cosine = np.where(generator.random(len(rows)) < 0.02, 1, 0.9).astype(np.float32)
    none = np.zeros(len(rows), np.float32)
    pairs = Pairs(count, rows, cosine, ratio, none, none > 0)
    group = np.arange(count)
    for place in np.lexsort((ratio, cosine < 1)):
        left, right = group[rows[place]]
        size = np.count_nonzero((group == left) | (group == right))
        if cosine[place] == 1 or size <= max(MAX_GROUP_SHARE * count, 2):
            group[group == max(left, right)] = min(left, right)
    expected = np.unique(group, return_inverse=True)[1]
    assert np.array_equal(fold_groups(pairs), expected)
