"""Cross-validation and the learning curve."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads.evaluate import doubtful, evaluate
from imgscore.heads.kernel import KernelRecipe


def test_evaluate_gives_rising_curve_and_prediction(made_up):
    evaluation = evaluate(made_up(160))
    assert [point.labels for point in evaluation.curve] == [10, 20, 40, 80, 160]
    assert evaluation.curve[-1].auc > evaluation.curve[0].auc
    assert evaluation.doubled is not None
    assert evaluation.curve[-1].auc <= evaluation.doubled <= 1
    assert evaluate(made_up(8)).doubled is None


@pytest.mark.parametrize("levels", [(0.5, 0.7, 0.9), (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)])
def test_evaluate_grades_gives_a_curve_of_the_pairwise_accuracy(made_up, levels):
    examples = made_up(160, width=6)
    value = examples.embeddings[:, :3].astype(np.float32).sum(axis=1)
    cuts = np.quantile(value, np.arange(1, len(levels)) / len(levels))
    grades = np.array(levels, np.float32)[np.digitize(value, cuts)]
    evaluation = evaluate(replace(examples, grades=grades))
    assert [point.labels for point in evaluation.curve] == [10, 20, 40, 80, 160]
    assert evaluation.curve[-1].auc == evaluation.quality.pairwise_accuracy.value
    assert evaluation.quality.rank_correlation.value > 0.7


def test_evaluate_when_stopped_leaves_points_out(made_up):
    calls = []

    def stop():
        calls.append(True)
        return len(calls) == 2

    evaluation = evaluate(made_up(160), stop=stop)
    assert [point.labels for point in evaluation.curve] == [40, 80, 160]
    assert evaluation.left_out == 2 and evaluation.doubled is not None
    assert evaluate(made_up(160), stop=lambda: True).left_out == 3


def test_evaluate_with_fitted_does_not_fit_again(made_up, monkeypatch):
    examples = made_up(60)
    fitted, on_all_labels = KernelRecipe().fit(examples), []
    fit = KernelRecipe.fit

    def counted(self, subset, *rest):
        on_all_labels.append(len(subset) == len(examples))
        return fit(self, subset, *rest)

    monkeypatch.setattr(KernelRecipe, "fit", counted)
    assert evaluate(examples, fitted=fitted) == evaluate(examples)
    assert sum(on_all_labels) == 1


def test_doubtful_lists_labels_that_are_far_from_the_score_worst_first():
    keep = np.array([True, True, True, False, False, False])
    score = np.array([0.9, 0.55, 0.61, 0.1, 0.95, 0.39], np.float32)
    assert doubtful(score, keep).tolist() == [4, 1]


def test_doubtful_grades_are_compared_with_their_number():
    grades = np.array([0.5, 0.5, 0.7, 0.9], np.float32)
    score = np.array([0.92, 0.3, 0.2, 0.6], np.float32)
    assert doubtful(score, grades).tolist() == [2, 0]
