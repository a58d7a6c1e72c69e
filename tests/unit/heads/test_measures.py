"""AUC, pairwise accuracy, rank correlation, average precision, log loss and reliability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads import intervals
from imgscore.heads.measures import Ranking, divergences, losses, quality, rank_correlation


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


GRADES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.sampled_from(GRADES)),
        min_size=2,
        max_size=30,
    )
)
def test_pairwise_equals_the_share_of_pairs_in_the_right_order(rows):
    score, grades = np.array(rows, np.float32).T
    right, pairs = 0.0, 0
    for first in range(len(rows)):
        for second in range(first):
            if grades[first] != grades[second]:
                pairs += 1
                higher = np.sign(score[first] - score[second])
                right += (1 + higher * np.sign(grades[first] - grades[second])) / 2
    ranking = Ranking(score, grades)
    assert ranking.pairwise() == pytest.approx(right / pairs if pairs else 0.5)
    doubled = Ranking(np.tile(score, 2), np.tile(grades, 2))
    assert ranking.pairwise(np.full(len(rows), 2.0)) == pytest.approx(doubled.pairwise())


@given(score=st.lists(st.floats(0, 1), min_size=4, max_size=60), seed=st.integers(0, 99))
def test_pairwise_of_keep_and_trash_is_exactly_the_auc(score, seed):
    keep = np.random.default_rng(seed).random(len(score)) < 0.5
    keep[:2] = [True, False]
    ranking = Ranking(np.array(score, np.float32), keep.astype(np.float32))
    assert ranking.pairwise() == ranking.auc()
    measured = quality(np.array(score, np.float32), keep)
    assert measured.pairwise_accuracy == measured.auc
    assert (measured.measure, measured.undecided) == ("AUC", 0)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.sampled_from(GRADES)),
        min_size=2,
        max_size=30,
    )
)
def test_rank_correlation_equals_pearsons_of_mean_ranks(rows):
    values = np.array(rows, np.float32).T
    ranks = [
        [np.mean(np.flatnonzero(np.sort(column) == value)) for value in column] for column in values
    ]
    measured = rank_correlation(*values)
    if min(len(set(column)) for column in values.tolist()) == 1:
        assert measured == 0
    else:
        assert measured == pytest.approx(np.corrcoef(ranks)[0, 1])


def test_auc_and_accuracy_leave_out_undecided_labels():
    generator = np.random.default_rng(0)
    score = generator.random(200).astype(np.float32)
    grades = generator.choice([0.1, 0.5, 0.9], 200).astype(np.float32)
    decided = grades != 0.5
    whole, ends = quality(score, grades), quality(score[decided], grades[decided])
    assert whole.auc == ends.auc
    assert whole.accuracy == ends.accuracy
    assert whole.average_precision.value == pytest.approx(ends.average_precision.value)
    assert whole.undecided == np.count_nonzero(~decided)
    assert whole.measure == "pairwise accuracy" and whole.compared == whole.pairwise_accuracy


@pytest.mark.parametrize("levels", [(0.5, 0.9), (0.7, 0.9), (0.5, 0.7, 0.9), (0.5,)])
def test_quality_of_one_side_has_no_auc_but_a_pairwise_accuracy(levels):
    generator = np.random.default_rng(0)
    grades = generator.choice(np.array(levels, np.float32), 40)
    measured = quality(grades + generator.normal(0, 0.01, 40).astype(np.float32), grades)
    assert measured.auc is None and measured.average_precision is None
    assert measured.pairwise_accuracy.value == (1 if len(levels) > 1 else 0.5)
    assert (measured.accuracy is None) == (levels == (0.5,))


def test_intervals_of_pairwise_accuracy_narrow_with_more_grades():
    """Five grades have more pairs than keep and trash, and so the interval is not wider."""
    generator = np.random.default_rng(0)
    value = generator.random(100)
    score = value + generator.normal(0, 0.3, 100)
    five = quality(score, (np.floor(value * 5) / 4).astype(np.float32)).pairwise_accuracy
    assert five.low < five.value < five.high
    counts = intervals.independent(np.floor(value * 5), np.arange(100))
    assert counts == (50, 50)


@pytest.mark.parametrize("count", [10, 40, 200])
def test_interval_of_rank_correlation_contains_the_truth_in_95_of_100_cases(count):
    generator = np.random.default_rng(0)
    inside = []
    truth = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's of two normal variables that correlate
    for _ in range(500):
        first, second = generator.normal(size=(2, count))
        second = 0.7 * first + np.sqrt(1 - 0.49) * second
        figure = intervals.of_correlation(rank_correlation(first, second), count)
        assert -1 <= figure.low <= figure.value <= figure.high <= 1
        inside.append(figure.low <= truth <= figure.high)
    assert np.mean(inside) >= 0.93


@given(score=st.floats(0.01, 0.99), grade=st.sampled_from(GRADES))
def test_divergences_are_least_where_the_score_is_the_grade(score, grade):
    values = np.array([score, grade]), np.full(2, grade)
    far, none = divergences(*values)
    assert far >= none == pytest.approx(0, abs=1e-5)
    if grade in (0, 1):
        assert divergences(*values).tolist() == losses(*values).tolist()


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


def test_reliability_of_grades_has_their_mean_and_counts():
    grades = np.array([0, 0.5, 0.5, 1], np.float32)
    (low, high) = quality(np.array([0.2, 0.2, 0.2, 0.9], np.float32), grades).reliability
    assert (low.keep, low.count, low.keeps, low.undecided) == (pytest.approx(1 / 3), 3, 0, 2)
    assert (high.keep, high.count, high.keeps, high.undecided) == (1, 1, 1, 0)
