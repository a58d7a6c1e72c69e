"""Cross-validation and the learning curve."""

import numpy as np

from imgscore.heads.evaluate import doubtful, evaluate
from imgscore.heads.kernel import KernelRecipe


def test_evaluate_gives_rising_curve_and_prediction(made_up):
    evaluation = evaluate(made_up(160))
    assert [point.labels for point in evaluation.curve] == [10, 20, 40, 80, 160]
    assert evaluation.curve[-1].auc > evaluation.curve[0].auc
    assert evaluation.doubled is not None
    assert evaluation.curve[-1].auc <= evaluation.doubled <= 1
    assert evaluate(made_up(8)).doubled is None


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
