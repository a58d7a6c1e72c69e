"""Tests of imgscore.heads.fold_solver."""

import numpy as np
import pytest

from imgscore.heads.fold_solver import solve_without

SIZE, FOLDS = 60, 5


def systems(kinds: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """A system of least squares, and the parts of its folds. `kinds`: kinds of rows in one fold."""
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((500, SIZE))
    fold = np.arange(500) % FOLDS
    # The first columns have values in the rows of one fold only.
    rows[:, :kinds] *= 3 * (fold == 0)[:, None]
    targets = rows @ generator.standard_normal(SIZE) + generator.standard_normal(500)
    parts = [rows[fold == each] for each in range(FOLDS)]
    held = [(part.T @ part).astype(np.float32) for part in parts]
    moments = np.stack([part.T @ targets[fold == each] for each, part in enumerate(parts)])
    return sum(held) + np.eye(SIZE), moments.sum(axis=0), held, moments


@pytest.mark.parametrize("kinds", [0, 20])
def test_solve_without_each_fold_gives_the_exact_solutions(kinds):
    total, moment, held, moments = systems(kinds)
    found = solve_without(total, moment, held, moments)
    exact = [np.linalg.solve(total, moment)]
    for part, own in zip(held, moments, strict=True):
        exact.append(np.linalg.solve(total - part, moment - own))
    assert found.shape == (SIZE, 1 + FOLDS)
    assert np.abs(found - np.transpose(exact)).max() < 2e-3 * np.abs(exact).max()


def test_solve_without_enough_steps_eliminates(monkeypatch):
    monkeypatch.setattr("imgscore.heads.fold_solver.MAX_STEPS", 0)
    total, moment, held, moments = systems(20)
    found = solve_without(total, moment, held, moments)
    exact = np.linalg.solve(total - held[0], moment - moments[0])
    assert np.allclose(found[:, 1], exact, atol=1e-9)
