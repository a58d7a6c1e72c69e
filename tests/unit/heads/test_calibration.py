"""Calibration of outputs to probabilities."""

import numpy as np
import pytest

from imgscore.heads.calibration import fit_platt, sigmoid


def test_fit_platt_finds_slope_and_offset_and_never_inverts():
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=4000)
    keep = generator.random(4000) < sigmoid(2 * outputs - 1)
    slope, offset = fit_platt(outputs, keep)
    assert (slope, offset) == (pytest.approx(2, abs=0.2), pytest.approx(-1, abs=0.2))
    assert fit_platt(-outputs, keep)[0] > 0


def test_fit_platt_nearly_equal_outputs_give_no_certainty():
    keep = np.array([True, True, False, False])
    slope, offset = fit_platt(np.array([1e-3, 2e-3, -1e-3, -2e-3]), keep)
    assert sigmoid(np.array([slope + offset])) < 0.99999
