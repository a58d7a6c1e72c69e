from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.base import Examples
from imgscore.heads.drift import BATCH_GAP_NS, BATCH_SIZE, FAST_GAP_NS, OLD_WEIGHT, ages, measured
from imgscore.heads.evaluate import evaluate
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.suspects import suspects
from imgscore.heads.training import train

SECOND = 10**9
OLD, NEW = 120, 60


def clusters(generator: np.random.Generator, kinds: np.ndarray) -> np.ndarray:
    """Images of eight clear clusters: two kinds of image look alike only if they are one kind."""
    centres = np.random.default_rng(1).normal(size=(8, 32))
    return (centres[kinds] + 0.5 * generator.normal(size=(len(kinds), 32))).astype(np.float16)


def changing(seed: int, *, changes: bool, spacing_ns: int = 20 * SECOND) -> Examples:
    """OLD labels that keep the kinds 0 to 3, and NEW labels that keep them, or the kinds 4 to 7."""
    generator = np.random.default_rng(seed)
    kinds = generator.integers(0, 8, OLD + NEW)
    keep = kinds < 4
    if changes:
        keep[OLD:] = ~keep[OLD:]
    return Examples(
        clusters(generator, kinds),
        keep.astype(np.float32),
        clusters(generator, generator.integers(0, 8, 300)),
        times=spacing_ns * np.arange(OLD + NEW),
    )


def auc_of_new_taste(examples: Examples) -> float:
    head = KernelRecipe().fit_head(examples)
    kinds = np.arange(400) % 8
    score = head.score(clusters(np.random.default_rng(9), kinds)).score
    keep = kinds >= 4
    return float((score[keep][:, None] > score[~keep]).mean())


def test_fit_after_a_change_of_the_taste_learns_the_new_taste():
    examples = changing(0, changes=True)
    assert KernelRecipe().fit(examples).recency is not None
    assert auc_of_new_taste(examples) > 0.97
    assert auc_of_new_taste(replace(examples, times=None)) < 0.9


@pytest.mark.parametrize("seed", range(5))
def test_fit_of_a_stable_taste_gives_all_labels_equal_weights(seed):
    examples = changing(seed, changes=False)
    fitted, plain = KernelRecipe().fit(examples), KernelRecipe().fit(replace(examples, times=None))
    assert fitted.recency is None
    np.testing.assert_array_equal(fitted.held_out.score, plain.held_out.score)


@pytest.mark.parametrize("count", [25, 40, 90])
def test_fit_after_a_change_finds_the_first_label_of_the_new_taste(count):
    generator = np.random.default_rng(count)
    kinds = generator.integers(0, 8, OLD + count)
    keep = (kinds < 4) ^ (np.arange(OLD + count) >= OLD)
    examples = replace(
        changing(1, changes=True),
        embeddings=clusters(generator, kinds),
        grades=keep.astype(np.float32),
        times=20 * SECOND * np.arange(OLD + count),
    )
    weights = KernelRecipe().fit(examples).recency
    assert weights is not None
    assert abs(np.count_nonzero(weights == 1) - count) <= 2


def test_fit_of_contradicting_labels_of_one_import_gives_all_labels_equal_weights():
    examples = changing(0, changes=True)
    assert KernelRecipe().fit(replace(examples, times=np.zeros(OLD + NEW, int))).recency is None


def test_fit_of_keeps_before_trashes_gives_all_labels_equal_weights():
    examples = changing(0, changes=False)
    sequence = np.argsort(-examples.grades, kind="stable")
    times = np.empty(OLD + NEW, np.int64)
    times[sequence] = np.arange(OLD + NEW) * SECOND
    assert KernelRecipe().fit(replace(examples, times=times)).recency is None


def test_fit_of_more_labels_than_the_exact_solution_allows_learns_the_new_taste(monkeypatch):
    monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", 100)
    assert auc_of_new_taste(changing(0, changes=True)) > 0.97


def test_train_after_a_change_reports_the_quality_on_recent_labels():
    report = train(changing(0, changes=True)).report
    assert report.taste_changed
    assert report.quality.labels == NEW
    assert report.quality.auc.value > 0.95
    assert not train(changing(0, changes=False)).report.taste_changed


def test_train_after_a_change_replaces_the_head_of_the_old_taste():
    examples = changing(0, changes=True)
    seen = np.arange(OLD + NEW) < OLD
    old = KernelRecipe().fit_head(examples.take(seen))
    assert train(examples, previous=old, seen=seen).accepted


def test_evaluate_after_a_change_measures_recent_labels():
    evaluation = evaluate(changing(0, changes=True))
    assert evaluation.taste_changed
    assert evaluation.curve[-1].labels == NEW


def test_suspects_after_a_change_are_old_labels():
    examples = changing(0, changes=True)
    rows = [suspect.row for suspect in suspects(examples, KernelRecipe().fit(examples), 40)]
    assert len(rows) == 40
    assert np.mean(np.array(rows) < OLD) > 0.95


def test_ages_counts_labels_of_later_times():
    assert ages(np.array([30, 10, 20, 20]) * SECOND).tolist() == [0, 3, 1, 1]
    assert ages(np.zeros(0, np.int64)).tolist() == []


def test_ages_of_a_scan_in_parts_are_equal():
    times = np.repeat([0, BATCH_GAP_NS, 2 * BATCH_GAP_NS], [1, BATCH_SIZE, 2])
    assert ages(times).tolist() == [0] * len(times)
    assert ages(np.array([0, BATCH_GAP_NS])).tolist() == [1, 0]


def test_ages_of_labels_of_one_command_are_equal():
    assert ages(np.arange(30) * FAST_GAP_NS).tolist() == [0] * 30


@given(st.lists(st.integers(-(2**62), 2**62), max_size=40))
def test_ages_of_any_times_never_grow_with_time(times):
    age = ages(np.array(times, np.int64))
    assert (age[np.argsort(times, kind="stable")][::-1] == np.sort(age)).all()
    assert ((age >= 0) & (age < max(len(times), 1))).all()


def test_measured_with_recent_labels_of_one_side_uses_all_labels():
    weights, upper = (
        np.array([OLD_WEIGHT, OLD_WEIGHT, 1.0, 1.0]),
        np.array([True, True, False, False]),
    )
    assert measured(weights, upper).all()
    assert measured(None, upper).all()
