"""Comparisons as Gaussian observations: the mode of the posterior, and the sums over answers."""

import numpy as np
import pytest

from imgscore.heads.calibration import fit_slope, sigmoid
from imgscore.heads.preferences import Answers, sites_of

NO_GRADES = np.empty(0)


def answers_of(comparisons: list[tuple[int, int, int]], grades: list[float] | None = None):
    return Answers(np.array(grades or [], float), np.array(comparisons, np.int64).reshape(-1, 3))


def mode_of(answers: Answers, kernel: np.ndarray, noise: float, scale: float) -> np.ndarray:
    """The most probable values of the images, by gradient ascent on the log posterior."""
    value, inverse = np.zeros(len(kernel)), np.linalg.inv(kernel)
    for _ in range(20_000):
        gradient = -inverse @ value
        labels = len(answers.grades)
        gradient[:labels] += (2 * answers.grades - 1 - value[:labels]) / noise
        for (better, worse, _), win in zip(answers.comparisons, answers.wins, strict=True):
            push = (win - sigmoid((value[better] - value[worse]) / scale)) / scale
            gradient[better] += push
            gradient[worse] -= push
        value += 0.02 * gradient
    return value


@pytest.mark.parametrize("grades", [[], [1.0, 0.3]])
def test_sites_solve_like_the_mode_of_the_posterior(grades: list[float]) -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3))
    kernel = np.exp(-((rows[:, None] - rows) ** 2).sum(axis=2)) + 0.1 * np.eye(6)
    answers = answers_of([(0, 1, 0), (2, 1, 0), (3, 4, 1), (4, 0, 0), (0, 1, 0)], grades)
    covariance = answers.covariance(kernel)
    targets, noise = sites_of(answers, covariance, np.full(len(grades), 0.2), 0.5)
    weights = np.linalg.solve(covariance + np.diag(noise), targets)
    values = kernel @ answers.image_weights(weights[:, None], 6)[:, 0]
    assert values == pytest.approx(mode_of(answers, kernel, 0.2, 0.5), abs=2e-3)


def test_sites_of_one_sided_answers_converge() -> None:
    """A hundred wins of one image: full Newton steps would overshoot."""
    answers = answers_of([(0, 1, 0)] * 100)
    targets, noise = sites_of(answers, answers.covariance(np.eye(2)), NO_GRADES, 0.01)
    assert np.isfinite(targets).all() and np.isfinite(noise).all() and (noise > 0).all()
    weights = np.linalg.solve(answers.covariance(np.eye(2)) + np.diag(noise), targets)
    values = answers.image_weights(weights[:, None], 2)[:, 0]
    assert values[0] > 0.02 and values[1] == pytest.approx(-values[0])


def test_sites_of_contradicting_answers_cancel() -> None:
    answers = answers_of([(0, 1, 0), (1, 0, 0)])
    targets, noise = sites_of(answers, answers.covariance(np.eye(2)), NO_GRADES, 1.0)
    weights = np.linalg.solve(answers.covariance(np.eye(2)) + np.diag(noise), targets)
    assert answers.image_weights(weights[:, None], 2) == pytest.approx(np.zeros((2, 1)))


def test_same_pulls_two_values_together() -> None:
    kernel = np.array([[1.0, 0.0], [0.0, 1.0]])

    def gap(comparisons: list[tuple[int, int, int]]) -> float:
        answers = answers_of(comparisons, [1.0, 0.0])
        covariance = answers.covariance(kernel)
        targets, noise = sites_of(answers, covariance, np.full(2, 1.0), 0.5)
        weights = np.linalg.solve(covariance + np.diag(noise), targets)
        values = kernel @ answers.image_weights(weights[:, None], 2)[:, 0]
        return float(values[0] - values[1])

    assert 0 < gap([(0, 1, 1)]) < gap([]) < gap([(0, 1, 0)])


def test_touching_finds_labels_and_both_ends_of_comparisons() -> None:
    answers = answers_of([(0, 2, 0), (2, 3, 0), (3, 1, 0)], [1.0, 0.0])
    assert answers.touching(np.array([True, False, False, False])).tolist() == [0, 2]
    assert answers.touching(np.array([False, False, False, True])).tolist() == [3, 4]


def test_fit_slope_is_positive_and_larger_for_consistent_answers() -> None:
    difference = np.random.default_rng(0).normal(size=200)
    noisy = np.where(np.random.default_rng(1).random(200) < 0.8, 1, -1) * np.abs(difference)
    consistent, reversed_ = (
        fit_slope(np.abs(difference), np.ones(200)),
        fit_slope(-np.abs(difference), np.ones(200)),
    )
    assert 0 < reversed_ < fit_slope(noisy, np.ones(200)) < consistent
    assert fit_slope(np.zeros(3), np.ones(3)) > 0
