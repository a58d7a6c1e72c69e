"""Scoring by onnxruntime, against the formula written out."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.heads import scorer
from imgscore.heads.graph import NEARNESS
from imgscore.heads.kernel import KernelHead, KernelRecipe

TOOLS = Path(__file__).parents[3] / "tools"


def written_out(head: KernelHead, embeddings) -> np.ndarray:
    """Log-odds by the formula in KernelHead's docstring, in double precision."""
    cosine = head.features(embeddings).astype(np.float64) @ head.nodes.T.astype(np.float64)
    likeness = np.exp(2 * head.settings["gamma"] * (cosine[:, : len(head.near)] - 1))
    odds = likeness @ head.near + head.constant
    if head.far is not None:
        weight = np.exp(NEARNESS * (cosine - cosine.max(axis=1, keepdims=True)))
        odds += weight @ head.far / weight.sum(axis=1, keepdims=True)
    return odds


@pytest.fixture(params=["few labels", "many labels"])
def head(request, made_up, monkeypatch) -> KernelHead:
    if request.param == "many labels":
        monkeypatch.setattr("imgscore.heads.kernel.EXACT", 100)
    found = KernelRecipe().fit(made_up(160)).head
    assert (found.far is None) == (request.param == "many labels")
    return found


def test_whole_numbers_move_a_score_by_less_than_its_own_deviation(head, made_up):
    test = made_up(700, seed=1).embeddings
    want, got = written_out(head, test), head._scorer(test)
    folds = want.shape[1] - 1
    deviation = np.sqrt((folds - 1) * want[:, 1:].var(axis=1))
    assert np.quantile(np.abs(got[:, 0] - want[:, 0]) / deviation, 0.99) < 0.2
    assert np.corrcoef(got[:, 0], want[:, 0])[0, 1] > 0.999
    # the heads without a fold, whose spread is the deviation, are moved as one with the whole
    assert np.sqrt((folds - 1) * got[:, 1:].var(axis=1)) == pytest.approx(deviation, rel=0.1)


def test_a_score_depends_on_its_own_image_only(head, made_up):
    test = made_up(300, seed=1).embeddings
    together = head.score(test)
    alone = [head.score(test[row : row + 1]) for row in (0, 17, 299)]
    assert together.score[[0, 17, 299]] == pytest.approx(
        np.concatenate([one.score for one in alone]), abs=1e-6
    )


def test_the_graph_is_what_its_tool_builds(monkeypatch):
    pytest.importorskip("onnx", reason="pip install onnx")
    monkeypatch.syspath_prepend(TOOLS)
    from make_kernel_scorer import build

    assert scorer.GRAPH.read_bytes() == build()
