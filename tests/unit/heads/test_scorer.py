"""Scores by onnxruntime, compared with the formula in numpy."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.heads import projector, scorer
from imgscore.heads.graph import SOFTMAX_SHARPNESS
from imgscore.heads.kernel import KernelHead, KernelRecipe

TOOLS = Path(__file__).parents[3] / "tools"


def reference(head: KernelHead, embeddings) -> np.ndarray:
    """Log-odds by the formula in KernelHead's docstring, in double precision."""
    cosine = head.features(embeddings).astype(np.float64) @ head.nodes.T.astype(np.float64)
    similarity = np.exp(2 * head.settings["gamma"] * (cosine[:, : len(head.near)] - 1))
    odds = similarity @ head.near + head.constant
    if head.far is not None:
        weight = np.exp(SOFTMAX_SHARPNESS * (cosine - cosine.max(axis=1, keepdims=True)))
        odds += weight @ head.far / weight.sum(axis=1, keepdims=True)
    return odds


@pytest.fixture(params=["few labels", "many labels"])
def head(request, made_up, monkeypatch) -> KernelHead:
    if request.param == "many labels":
        monkeypatch.setattr("imgscore.heads.kernel_solver.MAX_EXACT_LABELS", 100)
    kernel_head = KernelRecipe().fit(made_up(160)).head
    assert (kernel_head.far is None) == (request.param == "many labels")
    return kernel_head


def test_scorer_int8_error_is_below_the_deviation(head, made_up):
    test = made_up(700, seed=1).embeddings
    expected, actual = reference(head, test), head.odds(test)
    folds = expected.shape[1] - 1
    deviation = np.sqrt((folds - 1) * expected[:, 1:].var(axis=1))
    assert np.quantile(np.abs(actual[:, 0] - expected[:, 0]) / deviation, 0.99) < 0.2
    assert np.corrcoef(actual[:, 0], expected[:, 0])[0, 1] > 0.999
    # The deviation, from the heads without a fold, changes little: they have the same error.
    assert np.sqrt((folds - 1) * actual[:, 1:].var(axis=1)) == pytest.approx(deviation, rel=0.1)


def test_score_is_independent_of_other_images(head, made_up):
    test = made_up(300, seed=1).embeddings
    together = head.score(test)
    alone = [head.score(test[row : row + 1]) for row in (0, 17, 299)]
    assert together.score[[0, 17, 299]] == pytest.approx(
        np.concatenate([scores.score for scores in alone]), abs=1e-6
    )


def test_graph_files_equal_the_tools_output(monkeypatch):
    pytest.importorskip("onnx", reason="pip install onnx")
    monkeypatch.syspath_prepend(TOOLS)
    from make_kernel_scorer import build

    graphs = (projector.GRAPH, scorer.GRAPH)
    assert {path.name: path.read_bytes() for path in graphs} == build()
