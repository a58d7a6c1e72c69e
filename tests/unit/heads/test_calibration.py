"""Calibration of outputs to probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.calibration import (
    MIN_SLOPE,
    SLOPE_MEAN,
    SLOPE_PRECISION,
    Curve,
    fit_curve,
    fit_platt,
    sigmoid,
)


def test_fit_platt_finds_slope_and_offset_and_never_inverts():
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=4000)
    keep = generator.random(4000) < sigmoid(2 * outputs - 1)
    slope, offset = fit_platt(outputs, keep)
    assert (slope, offset) == (pytest.approx(2, abs=0.2), pytest.approx(-1, abs=0.2))
    assert fit_platt(-outputs, keep)[0] > 0


def test_fit_platt_of_grades_finds_the_expected_grade():
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=4000)
    grades = np.clip(sigmoid(2 * outputs - 1) + generator.normal(0, 0.1, 4000), 0, 1)
    slope, offset = fit_platt(outputs, grades)
    score = sigmoid(slope * outputs + offset)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 1)):
        inside = (score >= low) & (score < high)
        assert score[inside].mean() == pytest.approx(grades[inside].mean(), abs=0.02)


@given(
    keep=st.lists(st.booleans(), min_size=2, max_size=40),
    seed=st.integers(0, 99),
)
def test_fit_platt_of_keep_and_trash_has_the_targets_of_platt(keep, seed):
    """At the fitted curve, the gradient of the log loss and of the prior is zero."""
    outputs = np.random.default_rng(seed).normal(size=len(keep))
    slope, offset = fit_platt(outputs, np.array(keep, np.float32))
    keeps, trashes = keep.count(True), keep.count(False)
    if slope > MIN_SLOPE + 1e-9:
        target = np.where(keep, (keeps + 1) / (keeps + 2), 1 / (trashes + 2))
        residual = sigmoid(slope * outputs + offset) - target
        assert residual.sum() == pytest.approx(0, abs=1e-5)
        prior = SLOPE_PRECISION * (slope - SLOPE_MEAN)
        assert residual @ outputs + prior == pytest.approx(0, abs=1e-5)


def test_fit_platt_nearly_equal_outputs_give_no_certainty():
    keep = np.array([True, True, False, False])
    slope, offset = fit_platt(np.array([1e-3, 2e-3, -1e-3, -2e-3]), keep)
    assert sigmoid(np.array([slope + offset])) < 0.99999


def test_fit_platt_few_separated_labels_give_no_certainty():
    """Five correct labels of each side are possible if one label in ten is wrong."""
    outputs = np.array([-0.5] * 5 + [0.5] * 5)
    slope, offset = fit_platt(outputs, outputs > 0)
    assert 0.85 < sigmoid(np.array([0.5 * slope + offset]))[0] < 0.95


@pytest.mark.parametrize("whims", [0.0, 0.12])
def test_fit_curve_of_many_labels_finds_the_curve(whims):
    outputs, keep = labels_of_curve(Curve(5.0, -1.0, whims), 4000)
    slope, offset, found = fit_curve(outputs, keep)
    assert slope == pytest.approx(5, rel=0.25)
    assert offset == pytest.approx(-1, abs=0.25)
    assert found == pytest.approx(whims, abs=0.05)


def test_fit_curve_of_reversed_outputs_never_inverts():
    outputs, keep = labels_of_curve(Curve(5.0, 0.0), 200)
    assert fit_curve(-outputs, keep).slope > 0


def test_fit_curve_of_few_separated_labels_gives_no_certainty():
    """Five correct labels of each side are possible if one label in ten is wrong."""
    outputs = np.array([-0.5] * 5 + [0.5] * 5)
    assert 0.8 < fit_curve(outputs, outputs > 0)(np.array([0.5]))[0] < 0.95


def test_fit_curve_with_weights_counts_a_label_as_often():
    outputs, keep = labels_of_curve(Curve(3.0, 0.5, 0.07), 30)
    repeats = np.random.default_rng(2).integers(1, 4, 30)
    repeated = fit_curve(np.repeat(outputs, repeats), np.repeat(keep, repeats))
    assert fit_curve(outputs, keep, repeats) == pytest.approx(repeated)


def labels_of_curve(curve: Curve, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=count)
    return outputs, (generator.random(count) < curve(outputs)).astype(np.float32)
